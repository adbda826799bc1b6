//! Values that are set once each, by number, and never moved: an index for threads that look things up while others add.
//!
//! # Rules
//! - A value that was set stays where it is for the table's life, so a reference to it does too.
//! - Who sees that there is a value sees all of it.
//!
//! # Theory
//! Places lie in groups that are made when the first of them is used. A table has to be as large as it can ever become,
//! since it cannot move; made at once, those of a reactor took 90 KiB that most reactors never used, and processes that
//! are forked by the dozen pay for each.
//!
//! # Cost
//! 16 bytes a group, and `size_of::<T>()` and a word for each of a group's places once one of them is used. A lookup is
//! two loads more than in an array.

use std::sync::OnceLock;

/// See the module's text. `GROUP`: places of one group.
///
/// ```
/// let table = floodway_base::OnceTable::<&str, 16>::new(100);
/// assert_eq!(table.set(40, "answer"), Ok(()));
/// assert_eq!((table.get(40), table.get(41)), (Some(&"answer"), None));
/// assert_eq!(table.set(112, "beyond"), Err("beyond"));
/// ```
#[derive(Debug)]
pub struct OnceTable<T, const GROUP: usize> {
    groups: Box<[OnceLock<Group<T, GROUP>>]>,
}

type Group<T, const GROUP: usize> = Box<[OnceLock<T>; GROUP]>;

impl<T, const GROUP: usize> OnceTable<T, GROUP> {
    /// An empty table for at least so many values, rounded up to whole groups.
    pub fn new(places: usize) -> Self {
        Self {
            groups: (0..places.div_ceil(GROUP))
                .map(|_| OnceLock::new())
                .collect(),
        }
    }

    /// The value with that number.
    pub fn get(&self, number: usize) -> Option<&T> {
        self.groups.get(number / GROUP)?.get()?[number % GROUP].get()
    }

    /// The value with that number, which is made if there is none. `None` beyond the table's end.
    pub fn get_or_init(&self, number: usize, make: impl FnOnce() -> T) -> Option<&T> {
        Some(self.place(number)?.get_or_init(make))
    }

    /// Sets the value with that number.
    ///
    /// # Errors
    /// The value, if there is one already or the number lies beyond the table's end.
    pub fn set(&self, number: usize, value: T) -> Result<(), T> {
        match self.place(number) {
            Some(place) => place.set(value),
            None => Err(value),
        }
    }

    fn place(&self, number: usize) -> Option<&OnceLock<T>> {
        let group = self.groups.get(number / GROUP)?;
        let places = group.get_or_init(|| Box::new([const { OnceLock::new() }; GROUP]));
        Some(&places[number % GROUP])
    }
}
