//! A part of the plan that the operator sets.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tillgate_kernel::text::is_obeyed;

use super::asked::COMPANY_CHARACTERS_MAX;
use super::plan::{AREAS_MAX, CourierTime, POINTS_MAX, Plan, Point, TIMES_MAX, ZONES_MAX, Zone};
use super::slots::hour;

/// A part of the plan that the operator sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Points(Vec<Point>),
    Zones(Vec<Zone>),
    Times(Vec<CourierTime>),
}

impl Part {
    /// Puts the part into a plan.
    #[must_use]
    pub fn set_in(self, plan: Plan) -> Plan {
        match self {
            Part::Points(points) => Plan { points, ..plan },
            Part::Zones(zones) => Plan { zones, ..plan },
            Part::Times(times) => Plan { times, ..plan },
        }
    }

    /// Whether it can be a part of a plan.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Part::Points(points) => {
                counted(points.len(), POINTS_MAX, "points")?;
                let mut ids = BTreeSet::new();
                let twice = points.iter().find(|point| point.id == 0 || !ids.insert(point.id));
                if let Some(Point { id, .. }) = twice {
                    return Err(format!("the point {id} is there twice, or its number is zero"));
                }
                points.iter().try_for_each(|point| {
                    clean(&point.name)?;
                    clean(&point.address)
                })
            }
            Part::Zones(zones) => {
                counted(zones.len(), ZONES_MAX, "zones")?;
                counted(zones.iter().map(|zone| zone.areas.len()).sum(), AREAS_MAX, "areas")?;
                let is_below = zones.iter().find(|zone| zone.cost.kopecks() < 0);
                if let Some(Zone { company, cost, .. }) = is_below {
                    return Err(format!("{company} costs {cost}, which is below zero"));
                }
                zones.iter().try_for_each(|zone| clean_company(&zone.company))
            }
            Part::Times(times) => {
                counted(times.len(), TIMES_MAX, "times")?;
                let mut known = BTreeSet::new();
                for CourierTime { company, weekdays, begin, end, .. } in times {
                    clean_company(company)?;
                    let named = format!("{}-{} of {company}", hour(*begin), hour(*end));
                    if end <= begin || (begin.second(), end.second()) != (0, 0) {
                        return Err(format!("{named} is no time of whole minutes"));
                    }
                    if weekdays.iter().any(|day| !(1..=7).contains(day)) {
                        return Err(format!("{named} is on a day that no week has"));
                    }
                    if !weekdays.iter().all(|day| known.insert((company, *day, *begin, *end))) {
                        return Err(format!("{named} is there twice"));
                    }
                }
                Ok(())
            }
        }
    }
}

fn counted(count: usize, most: usize, plural: &str) -> Result<(), String> {
    if count > most { Err(format!("there are more than {most} {plural}")) } else { Ok(()) }
}

/// Texts that clients can send back as they are.
fn clean(text: &str) -> Result<(), String> {
    let characters = text.chars().count();
    if text.contains(is_obeyed) || text.trim() != text {
        Err(format!("{text:?} has control characters, or spaces around it"))
    } else if !(1..=TEXT_CHARACTERS_MAX).contains(&characters) {
        Err(format!("{text:?} must have from 1 to {TEXT_CHARACTERS_MAX} characters"))
    } else {
        Ok(())
    }
}

/// The name of a company, which clients name.
fn clean_company(company: &str) -> Result<(), String> {
    if company.chars().count() > COMPANY_CHARACTERS_MAX {
        return Err(format!("{company:?} has more than {COMPANY_CHARACTERS_MAX} characters"));
    }
    clean(company)
}

/// The longest name or address of a point, in characters.
const TEXT_CHARACTERS_MAX: usize = 200;

impl Plan {
    /// What is probably a mistake: companies that have times and no zone, or a
    /// zone and no times although others have some.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let zones: BTreeSet<&str> = self.zones.iter().map(|zone| zone.company.as_str()).collect();
        let times: BTreeSet<&str> = self.times.iter().map(|time| time.company.as_str()).collect();
        let no_zone = times.difference(&zones).map(|company| {
            format!("{company} has times and no zone: it delivers nowhere. Is the name the same?")
        });
        let no_times = zones.difference(&times).filter(|_| !times.is_empty()).map(|company| {
            format!("{company} has a zone and no times: it delivers on any day, without a limit")
        });
        no_zone.chain(no_times).collect()
    }
}
