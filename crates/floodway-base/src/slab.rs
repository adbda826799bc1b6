//! Values by number, for one owner: stable addresses, no copying as it grows, nothing left behind
//! when it shrinks.
//!
//! # Rules
//! - [`insert`](Slab::insert) chooses the lowest free number; [`put`](Slab::put) takes the number
//!   it is given, so that a table can follow the numbers of a [`SlotTable`](crate::SlotTable).
//! - A value stays where it is until it is taken.
//!
//! # Theory
//! Chunks of 256 values with one bit for each that is occupied. Lowest number first keeps the
//! values together at the front, so after a burst whole chunks become empty, and an empty chunk is
//! freed: a list of free numbers through the chunks, as slabs commonly have it, would hold on to
//! all of them. One empty chunk is kept, since a table that goes back and forth over a border would
//! otherwise allocate each time.
//!
//! # Cost
//! A lookup is two loads. `insert` searches 4 words of one chunk; the chunks in front of it are
//! known to be full. The first value of a chunk costs the memory of all: what one busy connection
//! needs is 176 bytes, and 1,024 of them would be a tenth of what a worker process has for itself.

const CHUNK_VALUES: usize = 256;

/// See the module's text.
///
/// ```
/// let mut slab = floodway_base::Slab::new();
/// let number = slab.insert("first");
/// slab.put(5_000, "where I say");
/// assert_eq!(slab.get(number), Some(&"first"));
/// assert_eq!((slab.take(5_000), slab.len()), (Some("where I say"), 1));
/// ```
#[derive(Debug)]
pub struct Slab<T> {
    chunks: Vec<Option<Chunk<T>>>,
    spare: Option<Chunk<T>>,
    /// All chunks in front of this one are full.
    first_with_room: usize,
    len: usize,
}

impl<T> Slab<T> {
    /// An empty slab, without memory of its own.
    pub fn new() -> Self {
        Self {
            chunks: Vec::new(),
            spare: None,
            first_with_room: 0,
            len: 0,
        }
    }

    /// Values in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value with that number.
    pub fn get(&self, index: u32) -> Option<&T> {
        let (chunk, place) = locate(index);
        self.chunks.get(chunk)?.as_ref()?.values[place].as_ref()
    }

    /// The value with that number, to be changed.
    pub fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        let (chunk, place) = locate(index);
        self.chunks.get_mut(chunk)?.as_mut()?.values[place].as_mut()
    }

    /// Stores `value` under the lowest free number and returns that.
    ///
    /// # Panics
    /// If all 2^32 numbers are in use.
    pub fn insert(&mut self, value: T) -> u32 {
        let full = |chunk: &Option<Chunk<T>>| {
            chunk
                .as_ref()
                .is_some_and(|chunk| chunk.len == CHUNK_VALUES)
        };
        while self.chunks.get(self.first_with_room).is_some_and(full) {
            self.first_with_room += 1;
        }
        let number = self.first_with_room;
        let place = self.chunk_mut(number).first_free();
        let index = u32::try_from(number * CHUNK_VALUES + place)
            .expect("a table has fewer than 2^32 values");
        self.put(index, value);
        index
    }

    /// Stores `value` under the number `index` and returns what was there.
    pub fn put(&mut self, index: u32, value: T) -> Option<T> {
        let (chunk, place) = locate(index);
        let before = self.chunk_mut(chunk).put(place, value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Removes the value with that number.
    pub fn take(&mut self, index: u32) -> Option<T> {
        let (number, place) = locate(index);
        let chunk = self.chunks.get_mut(number)?;
        let value = chunk.as_mut()?.take(place)?;
        self.len -= 1;
        self.first_with_room = self.first_with_room.min(number);
        if chunk.as_ref().is_some_and(|chunk| chunk.len == 0) {
            self.spare = chunk.take();
        }
        Some(value)
    }

    /// All values with their numbers, in the numbers' order.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        let chunks = self.chunks.iter().enumerate();
        chunks
            .filter_map(|(number, chunk)| Some((number, chunk.as_ref()?)))
            .flat_map(|(number, chunk)| {
                let values = chunk.values.iter().enumerate();
                values.filter_map(move |(place, value)| {
                    Some(((number * CHUNK_VALUES + place) as u32, value.as_ref()?))
                })
            })
    }

    fn chunk_mut(&mut self, number: usize) -> &mut Chunk<T> {
        if number >= self.chunks.len() {
            self.chunks.resize_with(number + 1, || None);
        }
        let spare = &mut self.spare;
        self.chunks[number].get_or_insert_with(|| spare.take().unwrap_or_else(Chunk::new))
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self::new()
    }
}

fn locate(index: u32) -> (usize, usize) {
    (index as usize / CHUNK_VALUES, index as usize % CHUNK_VALUES)
}

#[derive(Debug)]
struct Chunk<T> {
    values: Box<[Option<T>; CHUNK_VALUES]>,
    /// One bit for each value; the same fact as `values[i].is_some()`, made quick to search.
    occupied: [u64; CHUNK_VALUES / 64],
    len: usize,
}

impl<T> Chunk<T> {
    fn new() -> Self {
        let values: Box<[Option<T>]> = (0..CHUNK_VALUES).map(|_| None).collect();
        let Ok(values) = values.try_into() else {
            unreachable!("as many as a chunk has")
        };
        Self {
            values,
            occupied: [0; CHUNK_VALUES / 64],
            len: 0,
        }
    }

    /// The lowest free place of a chunk that is not full.
    fn first_free(&self) -> usize {
        let word = self.occupied.iter().position(|&word| word != u64::MAX);
        let word = word.expect("the chunk is not full");
        word * 64 + self.occupied[word].trailing_ones() as usize
    }

    fn put(&mut self, place: usize, value: T) -> Option<T> {
        let before = self.values[place].replace(value);
        if before.is_none() {
            self.occupied[place / 64] |= 1 << (place % 64);
            self.len += 1;
        }
        before
    }

    fn take(&mut self, place: usize) -> Option<T> {
        let value = self.values[place].take()?;
        self.occupied[place / 64] &= !(1 << (place % 64));
        self.len -= 1;
        Some(value)
    }
}
