// Package waves shows that guests that booted together do not renew together for ever: client and server
// engines on simulated time, tens of thousands of guests, a day.
//
//	go test ./test/waves           # 1,500 guests
//	go test ./test/waves -long     # 100,000
package waves
