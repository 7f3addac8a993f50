package leasestore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/v6guest/v6guest/pkg/clock"
	"github.com/v6guest/v6guest/pkg/clock/clocktest"
)

// benchmarked opens a store of n leases for a benchmark, with the defaults of the product.
func benchmarked(b *testing.B, n int, done func([]Result)) *Store {
	b.Helper()
	s, err := Open(Options{
		Path: filepath.Join(b.TempDir(), "leases.db"), BootID: "one", Clock: clocktest.New(clock.Instant(time.Hour)),
		MaxQueue: 1 << 20, Done: done,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	fill(b, s, n, n)
	return s
}

// fill puts leases of n addresses, of so many in all.
func fill(b *testing.B, s *Store, n, leases int) {
	b.Helper()
	const group = 4096
	for from := 0; from < n; from += group {
		var changes []Change
		for i := from; i < min(from+group, n); i++ {
			changes = append(changes, put(i%leases, i%leases))
		}
		if err := s.Commit(b.Context(), changes...); err != nil {
			b.Fatal(err)
		}
	}
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPut renews leases all over the store, in groups of 256, with compaction at its steady pace. It
// is to cost the same whatever the size of the store.
func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000, 1_000_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			const group = 256
			s := benchmarked(b, n, nil)
			renew := func(puts, from int) {
				changes := make([]Change, group)
				leases := make([]Lease, group)
				l := lease(0, 0)
				for done := 0; done < puts; done += group {
					for i := range changes {
						at := (from + done + i) * 7919 % n
						leases[i] = *l
						leases[i].Prefix = address(at)
						changes[i] = Put{&leases[i]}
					}
					if err := s.Commit(b.Context(), changes...); err != nil {
						b.Fatal(err)
					}
				}
			}
			renew(n+4*segmentRecords, 0) // until compaction runs
			before := cpu(b)
			for b.Loop() {
				renew(group, b.N*group)
			}
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N*group), "cpu-ns/put")
			b.ReportMetric(float64(b.N*group)/b.Elapsed().Seconds(), "puts/s")
		})
	}
}

// BenchmarkGroupCommit begins single puts as fast as their Results come, with so many under way: the rate
// of durable Replies.
func BenchmarkGroupCommit(b *testing.B) {
	for _, under := range []int{1, 16, 256, 4096} {
		b.Run(fmt.Sprintf("%d under way", under), func(b *testing.B) {
			tokens := make(chan struct{}, under)
			s := benchmarked(b, 10_000, func(r []Result) {
				for i := range r {
					if r[i].Err != nil {
						panic(r[i].Err)
					}
					<-tokens
				}
			})
			l, n := lease(0, 0), 0
			before := cpu(b)
			b.ReportAllocs()
			for b.Loop() {
				tokens <- struct{}{}
				n++
				l.Prefix = address(n % 10_000)
				if err := s.Begin(uint64(n), Put{l}); err != nil {
					b.Fatal(err)
				}
			}
			for range under {
				tokens <- struct{}{} // all Results have come
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/put")
			if st := s.Stats(); st.Commits > 0 {
				b.ReportMetric(float64(st.Changes)/float64(st.Commits), "puts/commit")
			}
		})
	}
}

// BenchmarkLoad opens a store of a million leases whose journal is as full of void records as it gets,
// from the disk itself, into the simplest index
// that a server can have. The memory is that of the whole process.
func BenchmarkLoad(b *testing.B) {
	const n = 1_000_000
	s := benchmarked(b, n, nil)
	fill(b, s, 2*segmentRecords, n)
	fill(b, s, n, n)
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.Logf("%+v", s.Stats())
	s.journal, s.waiting = journal{}, &batch{}
	byAddress := map[key]*Lease{}
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		clear(byAddress)
		evict(b, s.o.Path)
		debug.FreeOSMemory()
		before := cpu(b)
		b.StartTimer()
		o := s.o
		o.Load = func(l *Lease) { byAddress[keyOf(l.Prefix)] = l }
		opened, err := Open(o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		b.ReportMetric((cpu(b) - before).Seconds(), "cpu-s")
		if len(byAddress) != n {
			b.Fatalf("%d leases", len(byAddress))
		}
		b.ReportMetric(resident(b), "resident-MiB")
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapAlloc)/(1<<20), "heap-MiB")
		if err := opened.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// evict takes a file out of the page cache, as after a reboot.
func evict(b *testing.B, path string) {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
		b.Fatal(err)
	}
}

// resident is the process's memory.
func resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if w := strings.Fields(line); len(w) == 3 && w[0] == "VmRSS:" {
			kib, err := strconv.Atoi(w[1])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kib) / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
