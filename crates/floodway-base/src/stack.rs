//! A lock-free stack that any thread pushes to and whose taker swaps out whole.
//!
//! # Rules
//! - `push` from any thread; `take_all` from any thread too, though one thread usually does.
//! - Who has taken a [`Chain`] owns its nodes alone.
//!
//! # Theory
//! Treiber's stack without its `pop`. Popping one node is what makes that stack hard (the ABA
//! problem: the head may have been popped and pushed again between load and exchange); swapping the
//! head for null looks at no node and cannot meet it. Pushing only ever writes to the node that is
//! being pushed.
//!
//! # Cost
//! One exchange per push, one per `take_all`, whatever number of nodes it returns.

use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use crate::sync::{AtomicPtr, Ordering};

/// An owning pointer whose target has room for one link.
///
/// # Safety
/// `into_node` gives up ownership of a live node, `from_node` takes it back, and `link` returns the
/// same field of that node each time, valid for reads and writes as long as the node lives, which
/// nobody but the stack uses meanwhile.
pub(crate) unsafe trait Linked: Sized {
    type Node;

    fn into_node(self) -> NonNull<Self::Node>;

    /// # Safety
    /// `node` came from `into_node`, and each one is taken back once.
    unsafe fn from_node(node: NonNull<Self::Node>) -> Self;

    /// # Safety
    /// `node` came from `into_node` and was not taken back yet.
    unsafe fn link(node: NonNull<Self::Node>) -> *mut *mut Self::Node;
}

/// The shared end: see the module's text.
pub(crate) struct Stack<P: Linked> {
    head: AtomicPtr<P::Node>,
    owns: PhantomData<P>,
}

// SAFETY: the stack is a container of `P`s that moves them between threads and never shares one:
// what it needs is that a `P` may be sent. (The automatic implementations are missing because of
// the raw pointers only.)
unsafe impl<P: Linked + Send> Send for Stack<P> {}
// SAFETY: as above; `&Stack` gives access to no `P` by reference.
unsafe impl<P: Linked + Send> Sync for Stack<P> {}

impl<P: Linked> Stack<P> {
    pub(crate) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            owns: PhantomData,
        }
    }

    pub(crate) fn push(&self, value: P) {
        let node = P::into_node(value);
        // SAFETY: the node was given up to us just now.
        let link = unsafe { P::link(node) };
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: until the exchange below succeeds the node is ours alone.
            unsafe { link.write(head) };
            // Release: who takes the node sees what was written to it, including the link. The
            // exchange also continues the release sequence of earlier pushes, so one acquire covers
            // the whole chain.
            match self.head.compare_exchange_weak(
                head,
                node.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(actual) => head = actual,
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire).is_null()
    }

    /// Everything pushed so far, the latest first.
    pub(crate) fn take_all(&self) -> Chain<P> {
        let head = self.head.swap(ptr::null_mut(), Ordering::Acquire);
        Chain {
            head,
            owns: PhantomData,
        }
    }
}

impl<P: Linked> Drop for Stack<P> {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}

/// Nodes that one owner has taken, as an iterator; dropping it drops them.
pub(crate) struct Chain<P: Linked> {
    head: *mut P::Node,
    owns: PhantomData<P>,
}

// SAFETY: a chain owns its `P`s alone, so sending it is sending them.
unsafe impl<P: Linked + Send> Send for Chain<P> {}

impl<P: Linked> Chain<P> {
    pub(crate) fn new() -> Self {
        Self {
            head: ptr::null_mut(),
            owns: PhantomData,
        }
    }

    pub(crate) fn push(&mut self, value: P) {
        let node = P::into_node(value);
        // SAFETY: the node was given up to us just now.
        unsafe { P::link(node).write(self.head) };
        self.head = node.as_ptr();
    }

    /// The same nodes the other way round: a stack's chain begins with the latest.
    pub(crate) fn reversed(self) -> Self {
        let mut reversed = Self::new();
        for value in self {
            reversed.push(value);
        }
        reversed
    }
}

impl<P: Linked> Iterator for Chain<P> {
    type Item = P;

    fn next(&mut self) -> Option<P> {
        let node = NonNull::new(self.head)?;
        // SAFETY: nodes of a chain are owned by it and were not taken back yet.
        self.head = unsafe { P::link(node).read() };
        // SAFETY: it has just left the chain, which was its one owner.
        Some(unsafe { P::from_node(node) })
    }
}

impl<P: Linked> Drop for Chain<P> {
    fn drop(&mut self) {
        for value in &mut *self {
            drop(value);
        }
    }
}

/// A boxed value with its link: for payloads that have no room for a link themselves.
pub(crate) struct Entry<T> {
    link: *mut Entry<T>,
    value: T,
}

// SAFETY: the link is used by the stack alone; apart from it an entry is its value.
unsafe impl<T: Send> Send for Entry<T> {}

impl<T> Entry<T> {
    pub(crate) fn boxed(value: T) -> Box<Self> {
        Box::new(Self {
            link: ptr::null_mut(),
            value,
        })
    }

    pub(crate) fn into_value(self) -> T {
        self.value
    }
}

// SAFETY: a box's pointer is given up and taken back as it is, and `link` is a field of the boxed
// entry.
unsafe impl<T> Linked for Box<Entry<T>> {
    type Node = Entry<T>;

    fn into_node(self) -> NonNull<Entry<T>> {
        NonNull::from(Box::leak(self))
    }

    unsafe fn from_node(node: NonNull<Entry<T>>) -> Self {
        // SAFETY: by contract the pointer came from `into_node`, which leaked a box, and is taken
        // back once.
        unsafe { Box::from_raw(node.as_ptr()) }
    }

    unsafe fn link(node: NonNull<Entry<T>>) -> *mut *mut Entry<T> {
        // SAFETY: by contract the entry is alive, so the address of its field is in bounds.
        unsafe { &raw mut (*node.as_ptr()).link }
    }
}
