// Runbooks in the manner in which they are published, looked at by the real command line: each kind of optional parameter,
// of secret and of table, and the warnings that fire on those that deserve them alone.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openShell, type Shell } from '../cli/shell.ts'
import { findClosedPort } from '../closed-port.ts'
import type { Body } from '../server.ts'

const folder = fileURLToPath(new URL('./published/', import.meta.url))
const names = readdirSync(folder).map((file) => file.replace(/\.md$/, ''))

/** Nothing but what is listed: of `check` without a parameter, of `check` with those it asks for, and of `validate`. */
interface Expected {
  /** Checks that fail, by their name, and what they say. */
  failed?: [name: string, says: RegExp][]
  warned?: [name: string, says: RegExp][]
  /** What has to be typed, as the command itself says, so that nothing fails any more. */
  type?: string[]
  /** Rules with their lines. */
  rules?: string[]
}

/** The machine may have uv; whether its lack is told is what counts. */
const hasUv = spawnSync('uv', ['--version'], { env: { PATH: '/usr/local/bin:/usr/bin:/bin' } }).status === 0

const expected: Record<string, Expected> = {
  'bike-lanes': { failed: [['variables', /^No value for town$/]], type: ['-p', 'town=…'] },
  'bird-count': {},
  'choir-programme': {},
  'court-digest': {
    failed: [['variables', /^No value for decisions$/]],
    type: ['-p', 'decisions=…'],
    rules: ['3 R8'],
  },
  'garden-plan': {
    failed: [['variables', /^No value for town$/]],
    warned: [['variables', /{{zone}}/]],
    type: ['-p', 'town=…', '-p', 'zone=…'],
    rules: ['61 R2'],
  },
  'grant-letters': { failed: [['variables', /^No value for society$/]], type: ['-p', 'society=…'] },
  'hive-diary': { rules: ['1 V7'] },
  'invoice-audit': { failed: [['variables', /^No value for supplier$/]], type: ['-p', 'supplier=…'] },
  'kiln-schedule': { warned: hasUv ? [] : [['snapshot', /it has no uv$/]] },
  'letter-archive': {
    failed: [
      ['secrets', /^Not configured: OCR_KEY$/],
      ['variables', /^No value for input_file$/],
    ],
    warned: [['secrets', /^Not configured, and not required: ARCHIVE_TOKEN$/]],
    type: ['OCR_KEY', '-p', 'input_file=…'],
  },
  'library-weeding': { failed: [['variables', /^No value for branch$/]], type: ['-p', 'branch=…'] },
  'menu-translation': { failed: [['variables', /^No value for menu$/]], type: ['-p', 'menu=…'] },
  'museum-labels': { failed: [['variables', /^No value for museum$/]], type: ['-p', 'museum=…'] },
  'podcast-notes': { failed: [['variables', /^No value for transcript$/]], type: ['-p', 'transcript=…'] },
  'product-pictures': {
    failed: [
      ['model', /^There is no model provider 'replicate'$/],
      ['variables', /^No value for product$/],
    ],
    rules: ['6 R4'],
  },
  'rail-delays': {
    failed: [['variables', /^No value for month$/]],
    warned: [['secrets', /^Not configured, and not required: RAIL_API_KEY$/]],
    type: ['-p', 'month=…'],
  },
  'recipe-scaler': { failed: [['variables', /^No value for guests$/]], type: ['-p', 'guests=…'] },
  'school-timetable': { rules: ['1 V9', '1 V10'] },
  'shopfront-shots': { failed: [['snapshot', /^The snapshot prism-playwright is an image with .*Chromium, and/]] },
  'soil-lab': { rules: ['71 R8'] },
  'street-names': {
    failed: [['variables', /^No value for quarter$/]],
    warned: [['secrets', /^Not configured, and not required: OVERPASS_KEY$/]],
    type: ['-p', 'quarter=…'],
  },
  'tea-tasting': {},
  'tender-watch': {
    failed: [
      ['secrets', /^Not configured: APIFY_API_TOKEN$/],
      ['variables', /^No value for company_profile$/],
    ],
    type: ['APIFY_API_TOKEN', '-p', 'company_profile=…'],
  },
  'tide-poster': { rules: ['3 V3'] },
}

const keys = { OPENROUTER_API_KEY: 'or-published-61d0', OPENAI_API_KEY: 'oa-published-61d0' }
/** Those that say what the machine is like, and nothing of the runbook. */
const ofMachine = ['sandbox', 'limits', 'network']

let shell: Shell
beforeAll(async () => {
  shell = openShell(`http://127.0.0.1:${await findClosedPort()}`, 'mlc_there_is_no_server_here_at_all00')
})
afterAll(() => shell.close())

const check = (name: string, args: string[] = [], env: Record<string, string> = {}) =>
  shell.jetty(['runbook', 'check', join(folder, `${name}.md`), '--json', ...args], { env: { ...keys, ...env } })

const told = (checks: Body[], state: string) => {
  const found = checks.filter((one) => one.state === state && !(state === 'warning' && ofMachine.includes(one.name)))
  expect(found.filter(({ fix }) => !fix)).toEqual([])
  return found.map(({ name, found: says }) => [name, says])
}
const like = (list: [string, RegExp][] = []) => list.map(([name, says]) => [name, expect.stringMatching(says)])

it('there are at least twenty, and each has its row here', () => {
  expect(names.length).toBeGreaterThanOrEqual(20)
  expect(Object.keys(expected).sort()).toEqual(names.sort())
})

it.each(names)('%s', async (name) => {
  const { failed, warned, type } = expected[name] ?? {}
  const { code, stdout } = await check(name)
  const { ready, checks } = JSON.parse(stdout)
  expect({ failed: told(checks, 'failed'), warned: told(checks, 'warning') }).toEqual({
    failed: like(failed),
    warned: like(warned),
  })
  expect([code, ready]).toEqual(failed ? [1, false] : [0, true])
  if (!type) return
  const fixes = checks.map(({ fix }: Body) => fix ?? '').join('\n')
  for (const word of type.filter((one) => one !== '-p')) expect(fixes).toContain(word)
  const secrets = type.filter((word) => /^[A-Z_]+$/.test(word))
  const env = Object.fromEntries(secrets.map((secret) => [secret, 'published-secret-61d0']))
  const typed = type.filter((word) => !secrets.includes(word)).map((word) => word.replace('…', 'Whitby'))
  expect(told(JSON.parse((await check(name, typed, env)).stdout).checks, 'failed')).toEqual([])
})

it('validate finds what deserves it, and nothing in the others', async () => {
  const files = names.map((name) => join(folder, `${name}.md`))
  const { stdout } = await shell.jetty(['runbook', 'validate', '--json', ...files])
  const found = JSON.parse(stdout).map(({ errors, warnings }: Body, at: number) => [
    names[at],
    [...errors, ...warnings].map(({ line, rule }: Body) => `${line} ${rule}`),
  ])
  expect(Object.fromEntries(found)).toEqual(
    Object.fromEntries(names.map((name) => [name, expected[name]?.rules ?? []])),
  )
})

it('without a key it says that scripted would run, and how', async () => {
  const none = { OPENROUTER_API_KEY: '', OPENAI_API_KEY: '' }
  const { stdout } = await shell.jetty(['runbook', 'check', join(folder, 'tea-tasting.md')], { env: none })
  expect(stdout).toMatch(/✗ key .*\n.*export OPENROUTER_API_KEY=….*try it without a key: --agent scripted runs its sh/)
  const offered = await shell.jetty(['runbook', 'run', join(folder, 'tea-tasting.md'), '--agent', 'scripted'])
  expect([offered.code, offered.stderr]).toEqual([0, expect.stringContaining('→ bash')])
  expect(readFileSync(join(shell.home, 'results/sheet.md'), 'utf8')).toContain('Assam: malt')
})
