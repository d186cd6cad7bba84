//! What a client may spend, and what it spent.

/// What a client may spend in any hour. What is not limited is left out. With a limit of 0 it reads
/// only when the app or its user asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Budget {
    /// Times that the client begins to use the network after a silence.
    #[uniffi(default = None)]
    pub max_wakeups_per_hour: Option<u32>,
    /// Bytes of payload in both directions.
    #[uniffi(default = None)]
    pub max_bytes_per_hour: Option<u64>,
}

/// What was spent in the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct BudgetReport {
    /// Wake-ups.
    pub wakeups: Spent,
    /// Bytes of payload.
    pub bytes: Spent,
    /// The time that both are counted over, in ms.
    pub window_ms: u64,
    /// When the client reads next by itself, in ms from now; none where the feed is pushed, and
    /// where it reads only when asked.
    pub next_read_ms: Option<u64>,
    /// Whether more was spent than the budget allows, for instance by what a person asked for.
    pub exceeded: bool,
}

/// How much of one kind was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Spent {
    /// So much.
    pub spent: u64,
    /// Of so much, if there is a limit.
    pub limit: Option<u64>,
}

impl From<Budget> for tidewire::Budget {
    fn from(budget: Budget) -> Self {
        Self {
            max_wakeups_per_hour: budget.max_wakeups_per_hour,
            max_bytes_per_hour: budget.max_bytes_per_hour,
        }
    }
}

impl From<tidewire::BudgetReport> for BudgetReport {
    fn from(report: tidewire::BudgetReport) -> Self {
        let spent = |spent: tidewire::Spent| Spent { spent: spent.spent, limit: spent.limit };
        Self {
            wakeups: spent(report.wakeups),
            bytes: spent(report.bytes),
            window_ms: report.window_ms,
            next_read_ms: report.next_read_ms,
            exceeded: report.exceeded,
        }
    }
}
