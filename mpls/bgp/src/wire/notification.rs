//! NOTIFICATION: RFC 4271 sections 4.5 and 6, RFC 4486, RFC 6608, RFC 8538, RFC 9003, RFC 9384 and RFC 9687.

use bytes::Bytes;
use rustbgpd_wire as codec;
use rustbgpd_wire::NotificationCode;
use rustbgpd_wire::notification::{cease_subcode, open_subcode, update_subcode};

use super::family;
use crate::fsm::State;
use crate::io::AddressFamily;

/// Why a session ends, in the words of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) code: u8,
    pub(crate) subcode: u8,
    pub(crate) data: Vec<u8>,
    /// What exactly was wrong; for our log, the peer does not get it.
    detail: Option<String>,
}

impl Notification {
    pub(super) fn read(body: &[u8]) -> Self {
        let (code, subcode) = (body.first().copied().unwrap_or(0), body.get(1).copied().unwrap_or(0));
        Self { code, subcode, data: body.get(2..).unwrap_or_default().to_vec(), detail: None }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let longest = usize::from(super::LONGEST) - 21;
        let mut message = self.codec();
        message.data.truncate(longest);
        // It fits: its data was cut to.
        let _ = message.encode(out);
    }

    /// In words: what the numbers mean, and what the other side's operator or our parser had to say.
    pub(crate) fn text(&self) -> String {
        let mut text =
            codec::notification::description(NotificationCode::from_u8(self.code), self.subcode).to_owned();
        if let Some((code, subcode)) = self.inner() {
            text = format!(
                "{text}: {}",
                codec::notification::description(NotificationCode::from_u8(code), subcode)
            );
        }
        let message = self.codec();
        let said = codec::notification::extract_shutdown_communication(&message).ok().flatten();
        // What a peer says goes to a log: one line, nothing that moves a cursor.
        let said = said.map(|said| said.chars().filter(|c| !c.is_control()).collect::<String>());
        match said.filter(|said| !said.is_empty()).or_else(|| self.detail.clone()) {
            Some(more) => format!("{text}: {more}"),
            None => text,
        }
    }

    /// RFC 8538: the routes go at once, whatever was negotiated.
    pub(crate) const fn is_hard(&self) -> bool {
        self.code == CEASE && self.subcode == cease_subcode::HARD_RESET
    }

    /// RFC 8538 section 3: as Hard Reset, for a peer that would keep the routes otherwise.
    pub(crate) fn hard(&self) -> Self {
        let mut data = vec![self.code, self.subcode];
        data.extend_from_slice(&self.data);
        Self { data, ..Self::cease(cease_subcode::HARD_RESET) }
    }

    fn inner(&self) -> Option<(u8, u8)> {
        let &[code, subcode] = self.data.first_chunk().filter(|_| self.is_hard())?;
        Some((code, subcode))
    }

    fn codec(&self) -> codec::NotificationMessage {
        let data = Bytes::copy_from_slice(&self.data);
        codec::NotificationMessage::new(NotificationCode::from_u8(self.code), self.subcode, data)
    }
}

/// Those that we send.
impl Notification {
    pub(super) fn bad_length(length: u16) -> Self {
        codec::DecodeError::InvalidLength { length }.into()
    }

    /// RFC 7313 section 5: with the whole message.
    pub(super) fn refresh_length(message: &[u8]) -> Self {
        let subcode = codec::notification::route_refresh_subcode::INVALID_MESSAGE_LENGTH;
        Self { data: message.to_vec(), ..Self::new(NotificationCode::RouteRefreshMessage, subcode) }
    }

    pub(crate) fn bad_as(asn: u32, wanted: u32) -> Self {
        let detail = Some(format!("its AS is {asn}, `remote-as` says {wanted}"));
        Self { detail, ..Self::new(NotificationCode::OpenMessage, open_subcode::BAD_PEER_AS) }
    }

    pub(crate) fn bad_identifier() -> Self {
        let detail = Some("its router ID is zero or ours".into());
        Self { detail, ..Self::new(NotificationCode::OpenMessage, open_subcode::BAD_BGP_IDENTIFIER) }
    }

    pub(crate) fn bad_hold_time() -> Self {
        Self::new(NotificationCode::OpenMessage, open_subcode::UNACCEPTABLE_HOLD_TIME)
    }

    /// `data`: the capabilities that are missed.
    pub(crate) fn no_family(data: Vec<u8>) -> Self {
        let detail = Some("no address family in common".into());
        Self {
            data,
            detail,
            ..Self::new(NotificationCode::OpenMessage, open_subcode::UNSUPPORTED_CAPABILITY)
        }
    }

    /// `subcode` 1 or 9: what holds routes cannot be read; 10: the routes cannot.
    pub(super) fn update(subcode: u8, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(NotificationCode::UpdateMessage, subcode) }
    }

    pub(super) fn malformed_list(detail: &str) -> Self {
        Self::update(update_subcode::MALFORMED_ATTRIBUTE_LIST, detail)
    }

    pub(super) fn optional_attribute(detail: impl Into<String>) -> Self {
        Self::update(update_subcode::OPTIONAL_ATTRIBUTE_ERROR, detail)
    }

    pub(super) fn invalid_routes(family: AddressFamily) -> Self {
        Self::update(update_subcode::INVALID_NETWORK_FIELD, format!("{family} routes that cannot be read"))
    }

    pub(crate) fn hold_expired() -> Self {
        Self::new(NotificationCode::HoldTimerExpired, 0)
    }

    pub(crate) fn send_hold_expired() -> Self {
        Self::new(NotificationCode::SendHoldTimerExpired, 0)
    }

    /// RFC 6608.
    pub(crate) fn unexpected(state: State) -> Self {
        let subcode = match state {
            State::OpenSent => 1,
            State::OpenConfirm => 2,
            State::Established => 3,
            State::Idle | State::Connect | State::Active => 0,
        };
        Self::new(NotificationCode::FsmError, subcode)
    }

    pub(crate) fn collision() -> Self {
        Self::cease(cease_subcode::CONNECTION_COLLISION_RESOLUTION)
    }

    pub(crate) fn shutdown() -> Self {
        Self::cease(cease_subcode::ADMINISTRATIVE_SHUTDOWN)
    }

    pub(crate) fn deconfigured() -> Self {
        Self::cease(cease_subcode::PEER_DECONFIGURED)
    }

    pub(crate) fn reset() -> Self {
        Self::cease(cease_subcode::ADMINISTRATIVE_RESET)
    }

    pub(crate) fn changed() -> Self {
        Self::cease(cease_subcode::OTHER_CONFIGURATION_CHANGE)
    }

    pub(crate) fn bfd_down() -> Self {
        Self::cease(cease_subcode::BFD_DOWN)
    }

    /// RFC 4486 section 4.
    pub(crate) fn too_many(family: AddressFamily, limit: u32) -> Self {
        let (afi, safi) = family::numbers(family);
        let mut data = afi.to_be_bytes().to_vec();
        data.push(safi);
        data.extend_from_slice(&limit.to_be_bytes());
        Self { data, ..Self::cease(cease_subcode::MAX_PREFIXES) }
    }

    fn cease(subcode: u8) -> Self {
        Self::new(NotificationCode::Cease, subcode)
    }

    fn new(code: NotificationCode, subcode: u8) -> Self {
        Self { code: code.as_u8(), subcode, data: Vec::new(), detail: None }
    }
}

impl From<codec::DecodeError> for Notification {
    fn from(error: codec::DecodeError) -> Self {
        let (code, subcode, data) = error.to_notification();
        Self { code: code.as_u8(), subcode, data: data.to_vec(), detail: Some(error.to_string()) }
    }
}

const CEASE: u8 = 6;
