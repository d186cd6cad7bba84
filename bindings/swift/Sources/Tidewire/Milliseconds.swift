/// Seconds as the Rust side counts time. Nothing an app waits for takes longer than a day (or so many `days`), and a number
/// that is none, or is too large, would trap.
func milliseconds(_ seconds: Double, days: Double = 1) -> UInt64 {
    let most = days * 86_400.0
    // Also false for what is no number.
    guard seconds < most else { return UInt64(most) * 1_000 }
    return UInt64(max(0, seconds) * 1_000)
}
