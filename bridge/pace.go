package bridge

// pace is how faults of a class are retried. Pauses are in multiples of [BreakerConfig.Open].
type pace struct {
	atOnce bool // the first failure opens the breaker: to try again within a second would change nothing
	first  int  // the first pause of an open breaker
	most   int  // the longest one; 0 is MaxOpen, or the first where that is longer
}

// paceOf is the table of paces.
func paceOf(f Fault) pace {
	switch f {
	case FaultCredentials, FaultPermission, FaultMissing, FaultConflict, FaultTLS:
		return pace{atOnce: true, first: 8} // an operator has to act, and a wrong password again and again locks accounts
	case FaultBlocked, FaultFull, FaultReadOnly:
		return pace{atOnce: true, first: 1, most: 8} // it works again by itself, and each try costs a busy broker something
	case FaultLoading:
		return pace{atOnce: true, first: 1, most: 2} // ends by itself, mostly soon
	}
	return pace{first: 1}
}
