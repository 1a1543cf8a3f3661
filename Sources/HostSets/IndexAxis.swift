/// The different numbers that stand at one place of a family's names; elsewhere they are known by their rank.
struct IndexAxis: Sendable {
    /// In ascending order, each once.
    let values: [HostIndex]
    /// For each rank its place in the order of the texts, where `10` stands before `9`.
    let textOrder: [Int32]

    init(_ indices: [HostIndex]) {
        var values: [HostIndex] = []
        for index in indices.sorted() where values.last != index {
            values.append(index)
        }
        var textOrder = Array(repeating: Int32(0), count: values.count)
        let byText = values.indices.sorted { values[$0].textPrecedes(values[$1]) }
        for (place, rank) in byText.enumerated() {
            textOrder[rank] = Int32(place)
        }
        self.values = values
        self.textOrder = textOrder
    }

    /// - Precondition: `index` is one of `values`.
    func rank(of index: HostIndex) -> Int32 {
        var low = 0
        var high = values.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if values[middle] <= index {
                low = middle
            } else {
                high = middle
            }
        }
        precondition(values[low] == index)
        return Int32(low)
    }

    /// Appends `7` or `[01-03,7]`.
    func appendFolded(_ set: IndexSet, to bytes: inout [UInt8]) {
        if set.ranks.count > 1 {
            bytes.append(ASCII.openBracket)
        }
        var run = Run(values[Int(set.ranks[0])])
        for rank in set.ranks.dropFirst() {
            let index = values[Int(rank)]
            if run.accepts(index) {
                run.last = index
            } else {
                run.append(to: &bytes)
                bytes.append(ASCII.comma)
                run = run.next(index)
            }
        }
        run.append(to: &bytes)
        if set.ranks.count > 1 {
            bytes.append(ASCII.closeBracket)
        }
    }

    /// Numbers that follow each other, with nodeset's rules for when leading zeros end a range.
    private struct Run {
        let first: HostIndex
        var last: HostIndex
        /// The number of digits all have to have; nil while no number was padded.
        let digits: Int?

        init(_ index: HostIndex) {
            self.init(index, digits: index.isPadded ? index.digits : nil)
        }

        private init(_ index: HostIndex, digits: Int?) {
            first = index
            last = index
            self.digits = digits
        }

        private func fits(_ index: HostIndex) -> Bool {
            digits.map { $0 == index.digits } ?? !index.isPadded
        }

        func accepts(_ index: HostIndex) -> Bool {
            fits(index) && last.value + 1 == index.value
        }

        /// The run that begins with a number this one does not accept.
        func next(_ index: HostIndex) -> Run {
            // After a single number its padding stays in force: 01,98,99,100 folds to 01,98-99,100.
            first == last && fits(index) ? Run(index, digits: digits) : Run(index)
        }

        func append(to bytes: inout [UInt8]) {
            first.append(to: &bytes)
            if first != last {
                bytes.append(ASCII.dash)
                last.append(to: &bytes)
            }
        }
    }
}
