//! Exchanges of established IKE SAs, message by message. The peers are called A and B; A was the initiator.

mod childless;
mod collide;
mod mobike;
mod pair;
mod rekey;
mod storm;
