//! Who is on a connection, and how many connections a person and an address have on this instance.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use auth::Caller;
use kernel::UserId;

use super::bye::Bye;
use super::mailbox::{Key, Mail, Mailbox};

/// Who is there.
pub(crate) struct Identity {
    pub(crate) caller: Caller,
    /// Shown again now and then, to hear whether it still holds.
    pub(crate) token: Arc<str>,
}

/// The connections of people and addresses, on this instance.
#[derive(Default)]
pub(crate) struct Census {
    people: Mutex<HashMap<UserId, Vec<Place>>>,
    addresses: Mutex<HashMap<IpAddr, u32>>,
}

/// Where a connection is.
struct Place {
    mailbox: Arc<Mailbox>,
    key: Key,
}

/// A connection's place among its person's; gives it up when it goes.
pub(crate) struct Seat {
    census: Arc<Census>,
    user: UserId,
    mailbox: Arc<Mailbox>,
    key: Key,
}

/// A connection's place among its address's.
pub(crate) struct AddressSeat {
    census: Arc<Census>,
    address: IpAddr,
}

impl Census {
    /// Counts a person's connection. Where there are more than `limit` (0: no limit), the oldest has to go.
    pub(crate) fn seat(self: &Arc<Self>, user: UserId, mailbox: &Arc<Mailbox>, key: Key, limit: u32) -> Seat {
        let mut people = lock(&self.people);
        let places = people.entry(user).or_default();
        places.push(Place { mailbox: Arc::clone(mailbox), key });
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let oldest = (limit > 0 && places.len() > limit).then(|| places.remove(0));
        drop(people);
        if let Some(Place { mailbox, key }) = oldest {
            mailbox.send(Mail::Close { key, bye: Bye::Replaced });
        }
        Seat { census: Arc::clone(self), user, mailbox: Arc::clone(mailbox), key }
    }

    /// Counts an address's connection, unless it has `limit` (0: no limit).
    pub(crate) fn address_seat(self: &Arc<Self>, address: IpAddr, limit: u32) -> Option<AddressSeat> {
        let mut addresses = lock(&self.addresses);
        let count = addresses.entry(address).or_default();
        if limit > 0 && *count >= limit {
            return None;
        }
        *count = count.saturating_add(1);
        drop(addresses);
        Some(AddressSeat { census: Arc::clone(self), address })
    }

    /// People and addresses with a connection.
    pub(crate) fn len(&self) -> (usize, usize) {
        (lock(&self.people).len(), lock(&self.addresses).len())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut people = lock(&self.census.people);
        if let Some(places) = people.get_mut(&self.user) {
            places.retain(|place| place.key != self.key || !Arc::ptr_eq(&place.mailbox, &self.mailbox));
            if places.is_empty() {
                people.remove(&self.user);
            }
        }
    }
}

impl Drop for AddressSeat {
    fn drop(&mut self) {
        let mut addresses = lock(&self.census.addresses);
        if let Some(count) = addresses.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                addresses.remove(&self.address);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use kernel::Id;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_sixth_connection_sends_the_oldest_away_and_nothing_stays_behind() {
        let (census, mailbox) = (Arc::new(Census::default()), Arc::new(Mailbox::default()));
        let user = Id::from_uuid(Uuid::from_u128(1));
        let seats: Vec<_> = (0..6).map(|key| census.seat(user, &mailbox, key, 5)).collect();
        let mut mails = Vec::new();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(mailbox.poll_take(&mut context, &mut mails).is_ready());
        assert!(matches!(mails[..], [Mail::Close { key: 0, bye: Bye::Replaced }]));
        drop(seats);
        assert_eq!(census.len(), (0, 0));
    }

    #[test]
    fn an_address_has_only_so_many() {
        let census = Arc::new(Census::default());
        let address = IpAddr::from([127, 0, 0, 1]);
        let first = census.address_seat(address, 1);
        assert!(first.is_some() && census.address_seat(address, 1).is_none());
        drop(first);
        assert!(census.address_seat(address, 1).is_some());
        assert_eq!(census.len(), (0, 0));
    }
}
