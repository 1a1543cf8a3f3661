extension [Int32] {
    /// Where the elements above `value` begin in an ascending array; its count when there are none.
    func position(above value: Int32) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] > value {
                high = middle
            } else {
                low = middle + 1
            }
        }
        return low
    }
}
