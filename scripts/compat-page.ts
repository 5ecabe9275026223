// `npm run compat`: runs the tests of the promises to existing clients and of the MCP tools, and writes
// docs/reference/compatibility.md and mcp-tools.md from what they asked and were answered. test/compat/covered.test.ts fails when
// a promise is missing there, and test/integration/mcp/every-tool.test.ts when a tool is. With `mcp` it writes only the tools.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { notedPage, table } from './markdown.ts'
import { mcpPage } from './mcp-page.ts'

interface Outcome {
  title: string
  asked: string[]
  /** Why the promise was not kept; null when it was. */
  reason: string | null
}

/** Requests of a promise that the page shows. */
const mostShown = 4

/** Promises of the skill that no request can show. */
const notAsked = [
  ['row 1', 'names what the skill covers; the other rows are its parts'],
  ['row 2', 'concerns the conversation of a coding agent with a person'],
  ['row 77', 'is a tip for shell commands: set the token in each block'],
  ['row 81', 'is a tip for shell commands: `curl -v`'],
]

const rowOf = ({ title }: Outcome): number => Number(/^row (\d+):/.exec(title)?.[1] ?? Number.POSITIVE_INFINITY)

/** A promise may have been tried twice: the last outcome counts. */
const latest = (outcomes: Outcome[]): Outcome[] => [...new Map(outcomes.map((one) => [one.title, one])).values()]

const askedText = ({ asked }: Outcome): string => {
  const shown = asked.slice(0, mostShown).map((one) => `\`${one.replaceAll('`', '')}\``)
  const more = asked.length - shown.length
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(' · ')
}

const rowsOf = (outcomes: Outcome[]): string[][] =>
  outcomes.map((one) => [
    one.title,
    askedText(one),
    one.reason === null ? 'kept' : `not kept: ${one.reason.slice(0, 300)}`,
  ])

/** Writes the page from the outcomes. */
export const compatibilityPage = (all: Outcome[]): string => {
  const outcomes = latest(all).sort((one, other) => rowOf(one) - rowOf(other) || (one.title < other.title ? -1 : 1))
  const kept = outcomes.filter(({ reason }) => reason === null).length
  return notedPage(
    '<!-- Written by `npm run compat` from test/compat; changes here are lost. -->',
    'Compatibility',
    'What clients of the hosted service may rely on, and whether this server keeps it. Every row is a test that sends what the ' +
      'client sends, to a server with a database: the requests and the statuses of their answers are those of the test. Ids are ' +
      'left out. [Existing clients](../hosted-clients.md) says how to point them here.',
    `${kept} of ${outcomes.length} promises are kept.`,
    table(['Promise', 'Asked and answered', 'Outcome'], rowsOf(outcomes)),
    '## Not asked',
    table(['Promise', 'Why'], notAsked),
  )
}

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const linesOf = <Line>(file: string): Line[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line): Line => JSON.parse(line))
    : []

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = mkdtempSync(join(tmpdir(), 'jetty-compat-'))
  const [promises, tools] = [join(folder, 'promises.jsonl'), join(folder, 'tools.jsonl')]
  const tests = ['test/integration/mcp/every-tool.test.ts', ...(process.argv[2] === 'mcp' ? [] : ['test/compat'])]
  const { status } = spawnSync(process.execPath, ['scripts/test.mjs', '--project', 'default', ...tests], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, COMPAT_OUTCOMES: promises, MCP_OUTCOMES: tools },
  })
  const pages = {
    'compatibility.md': existsSync(promises) && compatibilityPage(linesOf(promises)),
    'mcp-tools.md': existsSync(tools) && mcpPage(linesOf(tools)),
  }
  for (const [name, text] of Object.entries(pages)) if (text) writeFileSync(join(root, 'docs/reference', name), text)
  rmSync(folder, { recursive: true, force: true })
  process.exitCode = status ?? 1
}
