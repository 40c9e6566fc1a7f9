//! Processor time of a thread or of child processes. On a busy machine it is more meaningful than elapsed time.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// The processor time that this thread has used since it started.
///
/// # Errors
/// The system's error, if the system does not measure processor time.
pub fn processor_time() -> io::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes only the local structure.
    match unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } {
        0 => Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The processor time of all children that have exited and been waited for, including their own children.
///
/// # Errors
/// The system's error.
pub fn children_processor_time() -> io::Result<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: writes only the local structure.
    if unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has filled it, and all zeros would be valid too.
    let usage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, 1_000 * time.tv_usec as u32);
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::Instant;

    use super::*;

    #[test]
    fn children_are_counted_after_they_are_waited_for() {
        let begun = children_processor_time().expect("the system counts it");
        let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
        let status = std::process::Command::new("sh").args(["-c", busy]).status().expect("there is a shell");
        assert!(status.success());
        assert!(children_processor_time().expect("the system counts it") > begun);
    }

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
