import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take 12 seconds to 140 although many of them are small: they wait, or start programs. */
const long = new RegExp(
  [
    ...['crash/', 'e2e/', 'guides/', 'house/checks', 'clients/python', 'cli/(doctor|newcomer|worker)'],
    ...['runbooks/(published|reasons|verify)', 'sandboxes/(bubblewrap|process)', 'compat/runbooks'],
    ...['integration/server/(back-up-and-restore|backup|bucket-storage|every-operation|in-flight-bytes)'],
    ...['integration/server/(reaped|serve|stop-in-outage)', 'integration/workers/(labelled|long-polls|lost-workers)'],
    ...['integration/runs/(any-request|approvals|workflow)', 'integration/runbooks/runbook-(escapes|lies)'],
    ...['integration/fan-out/fan-out', 'integration/gateway/gateway-strange', 'integration/lists/events'],
    ...['integration/mcp/protocol', 'integration/steps/script', 'integration/wires/wires'],
  ]
    .map((path) => `test/${path}[^/]*`)
    .concat('shape\\.slow')
    .join('|'),
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
