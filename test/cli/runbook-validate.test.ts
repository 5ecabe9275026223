// `jetty runbook validate` and `init`: no server is there, and none is needed.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findClosedPort } from '../closed-port.ts'
import { changed, written } from '../runbooks/written.ts'
import { openShell, type Shell } from './shell.ts'

let nobody: string
let shell: Shell
beforeAll(async () => {
  nobody = `http://127.0.0.1:${await findClosedPort()}`
})
beforeEach(() => {
  shell = openShell(nobody, 'mlc_there_is_no_server_here_at_all00')
})
afterEach(() => shell.close())

const validate = (...args: string[]) => shell.jetty(['runbook', 'validate', ...args])

describe('validate', () => {
  it('says that all is well', async () => {
    const { code, stdout } = await validate(shell.file('RUNBOOK.md', written('strict')), '--strict')
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^✓ .*RUNBOOK\.md: strict\n$/)])
  })

  it('shows each error with line, column, rule and what to write, and ends with 1', async () => {
    const text = changed(written('strict'), 'agent: claude-code', 'agent: cloud-code')
    const { code, stdout } = await validate(shell.file('RUNBOOK.md', text))
    expect(code).toBe(1)
    expect(stdout).toMatch(/✗ .*RUNBOOK\.md: cannot run until its errors are fixed \(1 error\)/)
    expect(stdout).toMatch(/4:1 +R4 +agent is 'cloud-code'.*\n +→ Did you mean 'claude-code'\?/)
  })

  it('a loose one passes, unless the strict format is asked for', async () => {
    const file = shell.file('RUNBOOK.md', written('loose'))
    expect(await validate(file)).toMatchObject({ code: 0, stdout: expect.stringMatching(/: loose \(13 warnings\)/) })
    expect(await validate(file, '--strict')).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/: loose \(9 errors, 4 warnings\)/),
    })
  })

  it('is JSON for programs, of several files, and 1 where one of them is wrong', async () => {
    const files = [
      shell.file('one.md', written('strict')),
      shell.file('two.md', changed(written('strict'), 'secrets: {}', 'secrets: 7')),
    ]
    const { code, stdout } = await validate(...files, '--json')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject([
      { file: files[0], valid: true, level: 'strict', errors: [], warnings: [] },
      { file: files[1], valid: false, level: null, errors: [{ rule: 'R1', line: 8, column: 1 }] },
    ])
  })

  it('a file that is not there is said to be none', async () => {
    const { code, stderr } = await validate('nowhere.md')
    expect([code === 0, stderr]).toEqual([false, expect.stringContaining('nowhere.md cannot be read')])
  })
})

/** What the validator of the published format looks for: texts, wherever they stand. */
const publishedMarks: [rule: string, mark: RegExp][] = [
  ['V1', /^(.*\n){0,4}---$/m],
  ['V2', /^version:/m],
  ['V2', /^evaluation:/m],
  ['V3', /^evaluation: *"?(programmatic|rubric)/m],
  ['V4', /^## (Step \d+: )?Objective/m],
  ['V4', /^## (Step \d+: )?REQUIRED OUTPUT FILES/m],
  ['V4', /^## (Step \d+: )?Final Checklist/m],
  ['V5', /validation_report\.json/],
  ['V6', /summary\.md/],
  ['V7', /^primary_outputs:/m],
  ['V8', /Evaluate|Rubric/],
  ['V9', /max \d+ round|iterate.*max|up to \d+/i],
  ['V10', /FINAL OUTPUT VERIFICATION|Verification Script/],
  ['V11', /^## Parameters/m],
  ['V12', /^## Dependencies/m],
  ['V12', /^## Tips/m],
  ['V13', /^(?![\s\S]*\{TODO:)/],
]

describe('init', () => {
  it('says where it cannot write, and nothing of the program', async () => {
    const { code, stderr } = await shell.jetty(['runbook', 'init', 'nowhere/review.md'])
    expect([code, stderr]).toEqual([2, 'jetty: nowhere/review.md cannot be used: no such file or folder\n'])
  })

  it.each(['programmatic', 'rubric'])(
    'writes a %s runbook that keeps to the strict format, and can be checked',
    async (kind) => {
      const file = join(shell.home, 'RUNBOOK.md')
      expect(
        await shell.jetty(['runbook', 'init', file, '--evaluation', kind, '--title', 'Flood  Walls']),
      ).toMatchObject({ code: 0 })
      const text = readFileSync(file, 'utf8')
      expect(text).toContain('# Flood Walls')
      expect(publishedMarks.filter(([, mark]) => !mark.test(text))).toEqual([])
      expect(text).toContain(`evaluation: ${kind}`)
      const { code, stdout } = await validate(file, '--strict', '--json')
      const parameters = [expect.objectContaining({ name: 'subject', required: true })]
      expect([code, JSON.parse(stdout)]).toEqual([
        0,
        [{ file, valid: true, level: 'strict', errors: [], warnings: [], parameters }],
      ])
      const again = await shell.jetty(['runbook', 'init', file])
      expect([again.code === 0, again.stderr]).toEqual([false, expect.stringContaining('already exists')])
      expect(await shell.jetty(['runbook', 'init', file, '--force'])).toMatchObject({ code: 0 })
    },
  )
})
