import Coordinator
import Glibc

/// A presenter that also has the last word, once everything else is printed.
protocol ReportPresenter: RunPresenter {
    /// Shows the ended run.
    ///
    /// - Throws: `CoordinatorError` (`journal`) when kept output can't be read back.
    func present(_ report: RunReport) throws
}

/// Writes what a program or a person was promised.
///
/// - Returns: false when the reader has gone, which is its right.
/// - Throws: `CoordinatorError` (`internal`) for anything else, a full disk for one.
func writeToStandardOutput(_ bytes: [UInt8]) throws -> Bool {
    let failure = BlockingOutput.write(bytes, to: STDOUT_FILENO)
    guard failure == 0 || failure == EPIPE else {
        throw CoordinatorError(.internal, "standard output: \(String(cString: strerror(failure)))")
    }
    return failure == 0
}
