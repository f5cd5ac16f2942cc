package host

import (
	"io"
	"os"
	"runtime"
	"syscall"
	"testing"

	"stentor/test/kit"
)

// The test binary is a process without a first thread too, when it is told so. It
// ends with its standard input.
const headlessEnv = "RUN_WITHOUT_FIRST_THREAD"

func init() { runtime.LockOSThread() } // TestMain is on the first thread

func TestMain(m *testing.M) {
	if os.Getenv(headlessEnv) == "1" {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
	}
	os.Exit(kit.Main(m))
}
