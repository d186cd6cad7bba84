/// Seconds as the Rust side counts time. Nothing an app waits for takes longer than a day, and a number
/// that is none, or is too large, would trap.
func milliseconds(_ seconds: Double) -> UInt64 {
    let day = 86_400.0
    // Also false for what is no number.
    guard seconds < day else { return UInt64(day) * 1_000 }
    return UInt64(max(0, seconds) * 1_000)
}
