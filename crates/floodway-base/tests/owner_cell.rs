//! A cell with one owner.
#![cfg(not(loom))]

use std::thread;

use floodway_base::{AlreadyOwned, OwnerCell};

#[test]
fn only_the_owner_borrows_and_once_at_a_time() {
    let cell = OwnerCell::new(vec![1]);
    assert!(!cell.is_owner() && cell.try_borrow_mut().is_none());
    cell.bind().unwrap();
    cell.bind().unwrap();
    let mut value = cell.try_borrow_mut().unwrap();
    value.push(2);
    assert!(cell.try_borrow_mut().is_none());
    drop(value);
    assert_eq!(*cell.try_borrow_mut().unwrap(), [1, 2]);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(!cell.is_owner() && cell.try_borrow_mut().is_none());
            assert_eq!(cell.bind(), Err(AlreadyOwned));
            assert!(!cell.release_owner());
        });
    });
}

#[test]
fn ownership_moves_when_it_was_released() {
    let cell = OwnerCell::new(String::new());
    for _ in 0..3 {
        thread::scope(|scope| {
            scope.spawn(|| {
                cell.bind().unwrap();
                cell.try_borrow_mut().unwrap().push('x');
                assert!(cell.release_owner());
            });
        });
    }
    assert_eq!(cell.into_inner(), "xxx");
}

#[test]
fn a_borrowed_cell_is_not_released() {
    let cell = OwnerCell::new(());
    cell.bind().unwrap();
    let value = cell.try_borrow_mut();
    assert!(value.is_some() && !cell.release_owner());
    drop(value);
    assert!(cell.release_owner() && !cell.is_owner());
}

#[test]
fn a_thread_that_ended_is_not_mistaken_for_another() {
    let mut cell = OwnerCell::new(0);
    thread::scope(|scope| {
        scope.spawn(|| cell.bind().unwrap());
    });
    // New threads get the old one's stack and thread-locals, but not its id.
    for _ in 0..5 {
        thread::scope(|scope| {
            scope.spawn(|| assert_eq!(cell.bind(), Err(AlreadyOwned)));
        });
    }
    *cell.get_mut() += 1;
    assert_eq!(cell.into_inner(), 1);
}

#[test]
fn a_value_that_may_be_sent_makes_a_cell_that_may_be_shared() {
    fn shared<T: Sync>() {}
    shared::<OwnerCell<std::cell::Cell<u8>>>();
}
