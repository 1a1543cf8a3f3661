import Coordinator

/// A presenter that also has the last word, once everything else is printed.
protocol ReportPresenter: RunPresenter {
    /// Shows the ended run.
    ///
    /// - Throws: `CoordinatorError` (`journal`) when kept output can't be read back.
    func present(_ report: RunReport) throws
}
