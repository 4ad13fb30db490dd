//! How much memory a program holds: an allocator that counts, for benchmarks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, Ordering};

/// The system's allocator, counted: what blocks really take, with what the allocator itself needs for each.
pub struct Counting;

static HELD: AtomicIsize = AtomicIsize::new(0);

/// What the allocator keeps in front of every block.
const HEAD: usize = size_of::<usize>();

/// Bytes that are allocated at this moment, if [`Counting`] is the program's allocator.
pub fn held() -> isize {
    HELD.load(Ordering::Relaxed)
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `alloc`, which is the same there.
        let block = unsafe { System.alloc(layout) };
        count(block, 1);
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(block, -1);
        // SAFETY: the block came from `alloc`, hence from the system's allocator with this layout.
        unsafe { System.dealloc(block, layout) };
    }
}

fn count(block: *mut u8, sign: isize) {
    if block.is_null() {
        return;
    }
    // SAFETY: the block is alive, and of the C library's heap, as all of `System`'s are on Linux.
    let bytes = unsafe { libc::malloc_usable_size(block.cast()) } + HEAD;
    HELD.fetch_add(sign * bytes.cast_signed(), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_counts_no_more() {
        let layout = Layout::from_size_align(1000, 8).unwrap();
        let before = held();
        // SAFETY: the layout is not empty, and the block goes back with the same one.
        unsafe {
            let block = Counting.alloc(layout);
            assert!((1008..1100).contains(&(held() - before)));
            Counting.dealloc(block, layout);
        }
        assert_eq!(held(), before);
    }
}
