import { writeFileSync } from 'node:fs'
import type { Reporter, TestModule, Vitest } from 'vitest/node'

const countsOf = (module: TestModule) => {
  const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 }
  for (const test of module.children.allTests()) counts[test.result().state]++
  const { passed, failed, skipped, pending } = counts
  if (module.state() === 'queued') return { passed: 0, failed: 0, skipped: 1 } // there was no time for it
  // A file that could not be loaded, or whose hooks failed, counts although it has no failed test.
  return { passed, failed: module.state() === 'failed' ? Math.max(failed, 1) : failed, skipped: skipped + pending }
}

/**
 * Writes how many tests of each file passed, failed and were skipped to the file that TEST_COUNTS names, for
 * `scripts/test.mjs`. At TEST_UNTIL, in milliseconds since 1970, it begins no more tests. Errors outside of all files count under an empty name.
 */
export default class CountsReporter implements Reporter {
  onInit(vitest: Vitest): void {
    const { TEST_UNTIL } = process.env
    if (TEST_UNTIL)
      setTimeout(() => void vitest.cancelCurrentRun('keyboard-input'), Number(TEST_UNTIL) - Date.now()).unref()
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    if (!process.env.TEST_COUNTS) return
    const files = Object.fromEntries(modules.map((module) => [module.relativeModuleId, countsOf(module)]))
    if (unhandledErrors.length > 0) files[''] = { passed: 0, failed: unhandledErrors.length, skipped: 0 }
    writeFileSync(process.env.TEST_COUNTS, JSON.stringify(files))
  }
}
