import type { Reporter, TestCase, TestModule } from 'vitest/node'

const nameOf = (test: TestCase): string => `${test.module.relativeModuleId} > ${test.fullName}`

/**
 * Names what passed only when it was tried again, and prints `N passed, N failed, N skipped` alone on the very last line, for machines that
 * read it.
 */
export default class ClosingLineReporter implements Reporter {
  private line = '0 passed, 1 failed, 0 skipped' // until a run has ended, nothing has been shown to work

  onInit(): void {
    process.once('exit', () => process.stdout.write(`${this.line}\n`))
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 }
    for (const module of modules) {
      const before = counts.failed
      for (const test of module.children.allTests()) {
        counts[test.result().state]++
        if (test.diagnostic()?.flaky)
          process.stdout.write(`\nFailed at first, passed when tried again: ${nameOf(test)}\n`)
      }
      // A file that could not be loaded, or whose hooks failed, counts although it has no failed test.
      if (module.state() === 'failed' && counts.failed === before) counts.failed++
    }
    const { passed, failed, skipped, pending } = counts
    this.line = `${passed} passed, ${failed} failed, ${skipped + pending} skipped`
  }
}
