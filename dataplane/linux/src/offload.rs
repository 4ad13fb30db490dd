//! What network cards were asked to do for SAs, and did not take: it is done in software, and told.

use std::collections::BTreeMap;

use crate::netlink::Client;
use crate::request::Request;
use crate::sa;
use crate::state::{Refusal, State};
use crate::thing::{Key, Thing};

/// Why, by the index of the card's device.
#[derive(Default)]
pub(crate) struct Refused(BTreeMap<u32, String>);

impl Refused {
    /// Has an SA that a card refused made without it; whether that was the reason for a refusal.
    pub(crate) fn take(&mut self, refusal: &Refusal, state: &mut State) -> bool {
        let Some(Thing::Sa(sa)) = state.wanted(&refusal.key) else { return false };
        let (Some((device, _)), Some(plain)) = (sa.home.offload, sa.in_software()) else { return false };
        state.want(&refusal.key, Some(Thing::Sa(Box::new(plain))));
        self.0.insert(device, refusal.reason.clone());
        true
    }

    /// The devices whose cards do not do what they were asked, and why. A driver that has no such thing says nothing:
    /// one SA of each device is looked at.
    pub(crate) fn told<'a>(
        &self,
        sas: impl Iterator<Item = &'a Key>,
        state: &State,
        client: &mut Client,
    ) -> BTreeMap<u32, String> {
        let mut asked = BTreeMap::new();
        for key in sas {
            if let Some(Thing::Sa(sa)) = state.wanted(key)
                && let Some((device, _)) = sa.home.offload
            {
                asked.entry(device).or_insert(key);
            }
        }
        let (devices, keys): (Vec<u32>, Vec<&Key>) = asked.into_iter().unzip();
        let questions: Vec<Request> = keys.into_iter().filter_map(sa::question).collect();
        let answers = client.ask(&questions).unwrap_or_default();
        let mut told = self.0.clone();
        for (device, answer) in devices.into_iter().zip(answers) {
            let read = answer.and_then(|answer| sa::read(&answer.body));
            if let Some((_, Thing::Sa(sa))) = read
                && sa.home.offload.is_none()
            {
                told.entry(device).or_insert_with(|| "its driver has no offload of ESP".to_owned());
            }
        }
        told
    }
}
