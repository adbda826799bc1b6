//! A cell that one thread owns: to it a `RefCell`, to all others a closed door.
//!
//! # Rules
//! - [`bind`](OwnerCell::bind) makes the calling thread the owner until it calls
//!   [`release_owner`](OwnerCell::release_owner). A thread that ends without releasing leaves the
//!   cell bound for good: ids are not given twice.
//! - The value is borrowed mutably, by the owner, once at a time. Who is not the owner, or has
//!   borrowed already, gets `None`.
//! - `&mut OwnerCell` and `OwnerCell` itself are ownership of another kind and need no binding.
//!
//! # Theory
//! Whether a thread is the owner is one comparison of its id with an atomic. No other thread can
//! make the comparison true or false meanwhile, so what the owner finds stays so until the owner
//! changes it. A `RefCell` would do the same for one thread, but a reactor's handle is shared by
//! all threads, and a mutex would let others in, or keep the owner waiting.
//!
//! # Cost
//! Some 16 bytes beside the value; a borrow is two loads and two stores.

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicU64, Ordering};

/// The id of no thread.
const NOBODY: u64 = 0;

/// See the module's text.
///
/// ```
/// let cell = floodway_base::OwnerCell::new(1);
/// assert!(cell.try_borrow_mut().is_none(), "nobody owns it yet");
/// cell.bind()?;
/// *cell.try_borrow_mut().expect("not borrowed") += 1;
/// cell.release_owner();
/// assert_eq!(cell.into_inner(), 2);
/// # Ok::<(), floodway_base::AlreadyOwned>(())
/// ```
pub struct OwnerCell<T> {
    owner: AtomicU64,
    /// Used by the owner alone.
    borrowed: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: through `&OwnerCell` only the owner reaches `borrowed` and `value`, and there is at most
// one owner at a time. From one owner to the next (`release_owner` to `bind`) the value moves to
// another thread, ordered by release and acquire: that is sending it, which `T: Send` allows. No
// two threads ever share it, so `T: Sync` is not needed.
unsafe impl<T: Send> Sync for OwnerCell<T> {}

/// Another thread owns the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyOwned;

impl fmt::Display for AlreadyOwned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another thread runs this already; one owner at a time: stop it there first")
    }
}

impl std::error::Error for AlreadyOwned {}

impl<T> OwnerCell<T> {
    /// A cell that nobody owns.
    pub fn new(value: T) -> Self {
        Self {
            owner: AtomicU64::new(NOBODY),
            borrowed: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Makes the calling thread the owner; without effect if it is already.
    pub fn bind(&self) -> Result<(), AlreadyOwned> {
        let me = current_thread();
        // Acquire: what the previous owner did to the value happened before.
        match self
            .owner
            .compare_exchange(NOBODY, me, Ordering::Acquire, Ordering::Relaxed)
        {
            Err(owner) if owner != me => Err(AlreadyOwned),
            _ => Ok(()),
        }
    }

    /// Whether the calling thread is the owner.
    pub fn is_owner(&self) -> bool {
        // Relaxed: only this thread writes its own id here, and only this thread takes it away.
        self.owner.load(Ordering::Relaxed) == current_thread()
    }

    /// Gives ownership up, for another thread to take. False, and nothing happens, if the calling
    /// thread is not the owner or has the value borrowed.
    pub fn release_owner(&self) -> bool {
        let may = self.is_owner() && !self.borrowed.get();
        if may {
            self.owner.store(NOBODY, Ordering::Release);
        }
        may
    }

    /// The value, if the calling thread is the owner and has not borrowed it already.
    pub fn try_borrow_mut(&self) -> Option<OwnerRef<'_, T>> {
        if !self.is_owner() || self.borrowed.replace(true) {
            return None;
        }
        Some(OwnerRef {
            cell: self,
            stays_here: PhantomData,
        })
    }

    /// The value, from whatever thread has the cell to itself.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value without its cell.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T> fmt::Debug for OwnerCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnerCell")
            .field("is_owner", &self.is_owner())
            .finish_non_exhaustive()
    }
}

/// The owner's borrow of an [`OwnerCell`]; it stays on the owner's thread.
pub struct OwnerRef<'cell, T> {
    cell: &'cell OwnerCell<T>,
    /// Not `Send`: dropping it writes to what belongs to the owner's thread.
    stays_here: PhantomData<*const ()>,
}

impl<T> Deref for OwnerRef<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this is the owner's thread (it was when this was made, this cannot leave it, and
        // ownership is not given up while `borrowed` is set), and `borrowed` lets no second one
        // exist.
        unsafe { &*self.cell.value.get() }
    }
}

impl<T> DerefMut for OwnerRef<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` excludes the shared borrows.
        unsafe { &mut *self.cell.value.get() }
    }
}

impl<T> Drop for OwnerRef<'_, T> {
    fn drop(&mut self) {
        self.cell.borrowed.set(false);
    }
}

impl<T: fmt::Debug> fmt::Debug for OwnerRef<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A number of the calling thread that no other thread ever has. (The address of a thread-local
/// would be as quick, but is given again to a new thread when an old one ends.)
fn current_thread() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};

    static NEXT: AtomicU64 = AtomicU64::new(NOBODY + 1);
    thread_local! {
        static ID: Cell<u64> = const { Cell::new(NOBODY) };
    }

    let id = ID.get();
    if id != NOBODY {
        return id;
    }
    let new = NEXT.fetch_add(1, Ordering::Relaxed);
    ID.set(new);
    new
}
