//! Spreads a sum over lines, exact to the kopeck.

/// Spreads `total` in proportion to `weights` by the largest remainder method.
/// The shares add up to `total`, and each is within a kopeck of its exact
/// proportion. Of equal remainders, the earlier one gets the kopeck. Returns
/// `None` if a number is negative, or if the weights are all zero and `total`
/// is not.
#[must_use]
pub fn spread(total: i64, weights: &[i64]) -> Option<Vec<i64>> {
    if total < 0 || weights.iter().any(|weight| *weight < 0) {
        return None;
    }
    let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
    if whole == 0 {
        return (total == 0).then(|| vec![0; weights.len()]);
    }
    let exact = |weight: &i64| i128::from(*weight) * i128::from(total);
    let mut shares = weights
        .iter()
        .map(|weight| i64::try_from(exact(weight) / whole).ok())
        .collect::<Option<Vec<i64>>>()?;
    let mut by_remainder: Vec<usize> = (0..weights.len()).collect();
    by_remainder.sort_by_key(|&place| (std::cmp::Reverse(exact(&weights[place]) % whole), place));
    let left = usize::try_from(total - shares.iter().sum::<i64>()).ok()?;
    for place in by_remainder.into_iter().take(left) {
        shares[place] += 1;
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_extra_kopeck_goes_to_the_largest_remainder() {
        assert_eq!(spread(11_000, &[9_999, 1_000]), Some(vec![10_000, 1_000]));
        assert_eq!(spread(100, &[1, 1, 1]), Some(vec![34, 33, 33]));
        assert_eq!(spread(90_00, &[50_00, 50_00]), Some(vec![45_00, 45_00]));
        assert_eq!(spread(5, &[0, 7]), Some(vec![0, 5]));
        assert_eq!(
            (spread(1, &[0]), spread(0, &[0]), spread(0, &[]), spread(1, &[])),
            (None, Some(vec![0]), Some(vec![]), None)
        );
        assert_eq!((spread(-1, &[1]), spread(1, &[-1, 2])), (None, None));
    }

    proptest! {
        #[test]
        fn shares_add_up_to_the_sum_and_are_off_by_less_than_a_kopeck(
            total in 0_i64..=100_000_000_000,
            weights in prop::collection::vec(0_i64..=10_000_000_000, 1..50),
        ) {
            let whole: i128 = weights.iter().map(|weight| i128::from(*weight)).sum();
            prop_assume!(whole > 0);
            let shares = spread(total, &weights).expect("shares");
            prop_assert_eq!(shares.iter().sum::<i64>(), total);
            for (share, weight) in shares.iter().zip(&weights) {
                let stray = i128::from(*share) * whole - i128::from(*weight) * i128::from(total);
                prop_assert!(stray.abs() < whole, "{} of {}", share, weight);
            }
        }
    }
}
