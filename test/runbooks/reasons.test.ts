import { existsSync, readdirSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { RunbookFailure } from '../../src/model/runbooks/runbook-run.ts'
import { livingWith, uniqueSeconds } from '../sandboxes/ground.ts'
import { type Carried, openRunner } from './runner.ts'

let opened: Awaited<ReturnType<typeof openRunner>>
beforeAll(async () => {
  opened = await openRunner({
    JETTY_SANDBOX_OUTPUT_BYTES: '1MiB',
    JETTY_SANDBOX_DISK_BYTES: '32MiB',
    JETTY_SANDBOX_FILES: '2000',
    JETTY_SANDBOX_PIDS: '64',
  })
})
afterAll(async () => {
  await opened.close()
})

const block = (script: string) => `\`\`\`sh\n${script}\n\`\`\`\n`
const frontMatter = (...lines: string[]) => `---\n${lines.join('\n')}\n---\n`
const wellDone = 'echo done > /app/results/report.md'
const forever = `sleep ${uniqueSeconds()}`

const lies: [reason: RunbookFailure, text: string, says: RegExp, request?: object][] = [
  [
    'out_of_memory',
    block('python3 -c "x = bytearray(400 * 1024 * 1024); print(len(x))"'),
    /memory/,
    { memory: '200M' },
  ],
  ['disk_full', block('head -c 500000000 /dev/zero > /app/results/large; sleep 100'), /32 MiB/],
  ['output_limit', block('yes'), /1 MiB/],
  ['agent_failed', block(`${wellDone}; echo broken >&2; exit 7`), /7/],
  ['missing_files', `${frontMatter('primary_outputs: [report.md, other.md]')}${block(wellDone)}`, /other\.md/],
  [
    'missing_files',
    `## Output Files\n\n| File | What |\n| --- | --- |\n| \`{{results_dir}}/data/*.csv\` | rows |\n${block(wellDone)}`,
    /data\/\*\.csv/,
  ],
  [
    'missing_files',
    `${frontMatter('primary_outputs: link.md')}${block('ln -s /etc/passwd /app/results/link.md')}`,
    /symbolic link/,
  ],
  ['empty_files', `${frontMatter('primary_outputs: report.md')}${block(': > /app/results/report.md')}`, /report\.md/],
  ['no_results', block('echo nothing'), /results folder/],
  ['no_results', block(': > /app/results/empty'), /results folder/],
  ['report_invalid', block(`${wellDone}; echo '{' > /app/results/validation_report.json`), /JSON/],
  ['report_invalid', block(`${wellDone}; echo '[]' > /app/results/validation_report.json`), /object/],
  [
    'report_invalid',
    `## Output Files\n\n| File |\n| --- |\n| validation_report.json |\n${block(wellDone)}`,
    /declared but missing/,
  ],
  [
    'report_failed',
    block(
      `${wellDone}; echo '{"overall_passed": false, "stages": [{"name": "tone", "passed": false}]}' > /app/results/validation_report.json`,
    ),
    /tone/,
  ],
  [
    'verify_failed',
    `${frontMatter('verify: "echo looked; test -e honest"')}${block(`${wellDone}; echo '{"overall_passed": true}' > /app/results/validation_report.json`)}`,
    /looked/,
  ],
]

/** With ever more seconds, until something was made within them: a slow machine has not begun by then. */
const untilMade = async (carryOut: (seconds: number) => Promise<Carried>): Promise<Carried & { seconds: number }> => {
  for (const seconds of [2, 10]) {
    const carried = await carryOut(seconds)
    if (carried.kept.has('report.md')) return { ...carried, seconds }
  }
  return { ...(await carryOut(40)), seconds: 40 }
}

describe('each reason is named, what was made is kept, and nothing is left running', () => {
  const expectNamed = ({ outcome, kept, events }: Carried, reason: RunbookFailure, says: RegExp | string) => {
    expect(outcome.failure).toMatchObject({ reason, message: expect.stringMatching(says) })
    expect(kept.has('agent_scripted.txt')).toBe(true)
    expect(events.filter(({ type }) => type === 'end').at(-1)).toMatchObject({ ok: false, reason })
    expect(livingWith(forever)).toEqual([])
  }
  const inTime = { timeout: 150_000 }

  it.each(lies.map((lie, at) => [at, ...lie] as const))('%i: %s', async (_, reason, text, says, request = {}) => {
    const carried = await opened.carryOut(text, request)
    expectNamed(carried, reason, says)
    if (text.includes(wellDone)) expect(carried.kept.get('report.md')?.toString()).toBe('done\n')
    expect(await readdir(`${opened.dataDir}/sandboxes`)).toEqual([])
  })

  it('timed_out', inTime, async () => {
    const { seconds, ...carried } = await untilMade((timeout_sec) =>
      opened.carryOut(block(`${wellDone}; ${forever}`), { timeout_sec }),
    )
    expectNamed(carried, 'timed_out', `timed out after ${seconds} s`)
    expect(carried.kept.get('report.md')?.toString()).toBe('done\n')
    expect(await readdir(`${opened.dataDir}/sandboxes`)).toEqual([])
  })

  it('stalled', inTime, async () => {
    const { seconds, ...carried } = await untilMade(async (seconds) => {
      const hasty = await openRunner({ JETTY_RUNBOOK_IDLE_SECONDS: String(seconds) })
      try {
        return await hasty.carryOut(block(`${wellDone}; ${forever}`))
      } finally {
        expect(await readdir(`${hasty.dataDir}/sandboxes`)).toEqual([])
        await hasty.close()
      }
    })
    expectNamed(carried, 'stalled', `for ${seconds} s`)
    expect(carried.kept.get('report.md')?.toString()).toBe('done\n')
  })
})

it('a fork bomb ends within its limit', async () => {
  const { outcome } = await opened.carryOut(block('bomb() { sleep 600 | bomb | bomb & }; bomb; sleep 1; exit 1'), {
    timeout_sec: 20,
  })
  expect(['process_limit', 'agent_failed', 'stalled', 'timed_out']).toContain(outcome.failure?.reason)
})

it('is cancelled in its midst, and what it has made so far is kept', async () => {
  const stop = new AbortController()
  const sandboxes = join(opened.dataDir, 'sandboxes')
  const isMade = () => readdirSync(sandboxes).some((id) => existsSync(join(sandboxes, id, 'app/results/report.md')))
  const cancelOnce = (isSo: () => boolean) => void vi.waitUntil(isSo, { timeout: 40_000 }).then(() => stop.abort())
  const { outcome, kept } = await opened.carryOut(
    block(`echo done > /app/report.md; mv /app/report.md /app/results; ${forever}`),
    {},
    { signal: stop.signal, onEvent: (event) => event.type === 'tool_call' && cancelOnce(isMade) },
  )
  expect(outcome.failure?.reason).toBe('cancelled')
  expect(livingWith(forever)).toEqual([])
  expect(kept.get('report.md')?.toString()).toBe('done\n')
})

it('is cancelled before it has begun', async () => {
  const { outcome, events } = await opened.carryOut(block(wellDone), {}, { signal: AbortSignal.abort() })
  expect(outcome.failure?.reason).toBe('cancelled')
  expect(events.filter((event) => event.type === 'phase' && event.phase === 'working')).toEqual([])
})
