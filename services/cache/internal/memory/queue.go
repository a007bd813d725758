package memory

// queue is a list of entries, oldest first, that knows what they take. The zero value is empty.
type queue struct {
	first, last *entry
	bytes       int64
}

// oldest returns the entry that came first, nil where there is none.
func (q *queue) oldest() *entry { return q.first }

func (q *queue) push(e *entry) {
	e.in, e.prev, e.next = q, q.last, nil
	if q.last == nil {
		q.first = e
	} else {
		q.last.next = e
	}
	q.last = e
	q.bytes += e.cost()
}

func (q *queue) remove(e *entry) {
	if e.prev == nil {
		q.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.in, e.prev, e.next = nil, nil, nil
	q.bytes -= e.cost()
}
