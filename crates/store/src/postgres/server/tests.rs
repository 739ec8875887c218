use super::*;

fn server(place: usize, timeline: Option<u32>) -> ServerStatus {
    ServerStatus {
        place,
        name: format!("db{place}:5432"),
        is_standby: timeline.is_none(),
        system: 7,
        timeline,
        began: format!("10.0.0.{place}"),
    }
}

fn seen(timeline: u32) -> Latest {
    Latest { place: 0, system: 7, timeline, began: "10.0.0.0".into() }
}

fn is_split_by(why: &NotWritable, text: &str) -> bool {
    matches!(why, NotWritable::Split(why) if why[0].contains(text))
}

#[test]
fn the_newest_primary_is_written_to_and_never_an_older_one() {
    assert_eq!(choose(&[server(0, None), server(1, Some(1))], None), Ok(1));
    assert_eq!(choose(&[server(0, Some(4)), server(1, Some(5))], None), Ok(1));
    assert_eq!(choose(&[server(0, Some(5)), server(1, Some(4))], Some(&seen(5))), Ok(0));
    assert_eq!(
        choose(&[server(0, Some(6)), server(1, None)], Some(&seen(5))),
        Ok(0),
        "promoted since"
    );
    let why =
        choose(&[server(0, Some(4)), server(1, None)], Some(&seen(5))).expect_err("left behind");
    assert!(
        matches!(
            &why,
            NotWritable::NoneFits(why)
                if why[0].starts_with("db0:5432: on timeline 4, and timeline 5")
                    && why[1].starts_with("db1:5432: a standby")
        ),
        "{why:?}"
    );
    assert_eq!(choose(&[], None), Err(NotWritable::NoneFits(Vec::new())));
}

#[test]
fn two_primaries_are_refused_and_another_cluster_is_ignored() {
    let why =
        choose(&[server(0, Some(4)), server(1, Some(4))], Some(&seen(4))).expect_err("which?");
    assert!(is_split_by(&why, "db0:5432 and db1:5432 both take writes"), "{why:?}");
    // A server that was promoted in parallel to the new primary, which is away.
    // Another name or a restart does not make it a different server.
    let why = choose(&[server(1, Some(4))], Some(&seen(4))).expect_err("promoted in parallel");
    assert!(is_split_by(&why, "another server was written to"), "{why:?}");
    let again = ServerStatus { began: "later".into(), ..server(0, Some(4)) };
    assert_eq!(choose(&[again], Some(&seen(4))), Ok(0));
    // Two names of one server.
    let same = ServerStatus { began: "10.0.0.0".into(), ..server(1, Some(4)) };
    assert_eq!(choose(&[server(0, Some(4)), same], Some(&seen(4))), Ok(0));
    let other = ServerStatus { system: 8, ..server(1, Some(9)) };
    assert_eq!(choose(&[server(0, Some(4)), other.clone()], Some(&seen(4))), Ok(0));
    let why = choose(std::slice::from_ref(&other), Some(&seen(4))).expect_err("another");
    assert!(
        matches!(
            &why,
            NotWritable::NoneFits(why) if why[0].contains("another database cluster (8, not 7)")
        ),
        "{why:?}"
    );
    let why = choose(&[server(0, Some(4)), other], None).expect_err("which of them is ours?");
    assert!(is_split_by(&why, "different database clusters"), "{why:?}");
}
