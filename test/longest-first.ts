import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take 15 seconds to 90 although they are small, most of them waiting. */
const long = new RegExp(
  [
    ...['test/crash/', 'test/guides/', 'test/house/checks', 'every-operation', 'test/clients/python', 'shape\\.slow'],
    ...['test/sandboxes/(bubblewrap|process)\\.', 'test/runbooks/(published|reasons|verify)\\.', 'test/e2e/'],
  ].join('|'),
)

/**
 * Begins with the files that take longest. Where no earlier run has told how long each takes, as in CI, Vitest begins with
 * the largest files: then the longest ones wait side by side at the end, and the cores are idle. If CI has not time for all
 * (`scripts/test.mjs`), it is to leave few out: after the longest it begins with the smallest.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    if (process.env.TEST_UNTIL) sorted.reverse()
    const isLong = ({ moduleId }: TestSpecification) => long.test(moduleId)
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))]
  }
}
