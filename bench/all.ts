/**
 * Every benchmark, one after another, in one file: `bench -- all --json FILE`. Names choose some of them. What the file
 * already has of others stays, so that a long measurement can be done in parts. `--quick` measures less.
 */
import { execFile } from 'node:child_process'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/built.ts'
import { findCircumstances } from './lib/circumstances.ts'
import { isMet, type Measurement, type Result, readResults } from './lib/results.ts'

const notMeasuring = ['all', 'compare']
const benchmarks = readdirSync(join(root, 'bench'))
  .flatMap((entry) => (entry.endsWith('.ts') ? [entry.slice(0, -3)] : []))
  .filter((name) => !notMeasuring.includes(name))
  .sort()

/** Splits the arguments into the file, names of benchmarks, and flags that each of them gets. */
const parse = (args: string[]) => {
  const at = args.indexOf('--json')
  const file = at === -1 ? undefined : args[at + 1]
  const rest = args.filter((_, index) => at === -1 || (index !== at && index !== at + 1))
  const names = rest.filter((one) => !one.startsWith('--'))
  const unknown = names.find((name) => !benchmarks.includes(name))
  if (!file || file.startsWith('--')) throw new Error('A file is needed: npm run bench -- all --json FILE')
  if (unknown) throw new Error(`There is no benchmark "${unknown}": ${benchmarks.join(', ')}`)
  return {
    file,
    names: names.length > 0 ? names : benchmarks,
    flags: rest.filter((one) => one.startsWith('--')),
  }
}

/** Runs one in a process of its own, and returns what it printed. */
const run = (name: string, flags: string[]): Promise<{ hasFailed: boolean; text: string; errors: string }> => {
  const args = ['--import', 'tsx', join(root, 'bench', `${name}.ts`), '--json', ...flags]
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: root, maxBuffer: 64 * 1024 * 1024 }, (error, text, errors) => {
      resolve({ hasFailed: error !== null, text, errors: errors || String(error) })
    })
  })
}

const measure = async (name: string, flags: string[]): Promise<Result> => {
  const begun = performance.now()
  const circumstances = await findCircumstances()
  const { hasFailed, text, errors } = await run(name, flags)
  const seconds = Math.round((performance.now() - begun) / 1000)
  const json = text.split('\n').findLast((line) => line.startsWith('{"bench"'))
  const nothing: Measurement = { bench: name, figures: [], tables: [] }
  const measured = json ? (JSON.parse(json) as Measurement) : nothing
  return {
    ...measured,
    ...circumstances,
    seconds,
    ...((hasFailed || !json) && { error: errors.slice(-2000) }),
  }
}

const { file, names, flags } = parse(process.argv.slice(2))
for (const name of names) {
  process.stdout.write(`${name} … `)
  const result = await measure(name, flags)
  const missed = result.figures.filter((figure) => !isMet(figure)).length
  const outcome = result.error ? `failed: ${result.error}` : `${result.figures.length} figures, ${missed} missed`
  process.stdout.write(`${result.seconds} s, ${outcome}\n`)
  if (result.error) process.exitCode = 1
  const results = [...readResults(file).filter(({ bench }) => bench !== name), result]
  results.sort((one, other) => one.bench.localeCompare(other.bench))
  writeFileSync(`${file}.draft`, `${JSON.stringify({ results }, undefined, 1)}\n`)
  renameSync(`${file}.draft`, file)
}
