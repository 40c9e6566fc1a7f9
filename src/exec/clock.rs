//! The time that a thread has spent on a processor, which says more on a busy machine than the time that has passed.

use std::io;
use std::time::Duration;

/// The processor time that this thread has taken since it began.
///
/// # Errors
/// The system's, where it does not count that.
pub fn processor_time() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the time that is ours.
    match unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_takes_processor_time_and_sleep_takes_none() {
        let begun = processor_time().expect("the system counts it");
        std::thread::sleep(Duration::from_millis(30));
        let slept = processor_time().expect("the system counts it") - begun;
        assert!(slept < Duration::from_millis(25), "{slept:?}");
        let begun = (Instant::now(), processor_time().expect("the system counts it"));
        while begun.0.elapsed() < Duration::from_millis(20) {
            black_box((0..1000_u64).sum::<u64>());
        }
        assert!(processor_time().expect("the system counts it") > begun.1);
    }
}
