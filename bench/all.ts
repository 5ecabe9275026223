/**
 * Every benchmark, one after another, in one file: `bench -- all --json FILE`. Names choose some of them. What the file
 * already has of others stays, so that a long measurement can be done in parts. `--quick` measures less. One that fails or
 * cannot run here is named, and the others go on.
 */
import { execFile } from 'node:child_process'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './lib/built.ts'
import { findCircumstances } from './lib/circumstances.ts'
import { isQuick } from './lib/quick.ts'
import { figureLine } from './lib/report.ts'
import { isMet, type Measurement, type Result, readResults } from './lib/results.ts'

const notMeasuring = ['all', 'compare']
const maxBuffer = 64 * 1024 * 1024
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

/** What a benchmark may take at most: more than any allows itself, for those that cannot end themselves. */
const longestSeconds = isQuick ? 1_200 : 4_000
const graceMs = 20_000

/** Runs one in a process of its own, and returns what it printed. */
const run = (name: string, flags: string[]): Promise<{ error?: string; text: string }> => {
  const args = ['--import', 'tsx', join(root, 'bench', `${name}.ts`), '--json', ...flags]
  return new Promise((resolve) => {
    const child = execFile(process.execPath, args, { cwd: root, maxBuffer }, (failure, text, errors) => {
      clearTimeout(limit)
      resolve({ text, ...(failure && { error: (isLate ? late : errors || String(failure)).slice(-2000) }) })
    })
    const late = `not done after ${longestSeconds} s`
    let isLate = false
    const limit = setTimeout(() => {
      isLate = true
      child.kill() // it clears up
      setTimeout(() => child.kill('SIGKILL'), graceMs).unref()
    }, longestSeconds * 1000)
  })
}

const measure = async (name: string, flags: string[]): Promise<Result> => {
  const begun = performance.now()
  const circumstances = await findCircumstances()
  const { error, text } = await run(name, flags)
  const seconds = Math.round((performance.now() - begun) / 1000)
  const json = text.split('\n').findLast((line) => line.startsWith('{"bench"'))
  const nothing: Measurement = { bench: name, figures: [], tables: [] }
  const measured = json ? (JSON.parse(json) as Measurement) : nothing
  const failure = error ?? (json ? undefined : `printed no result: ${text.slice(-1000)}`)
  return { ...measured, ...circumstances, seconds, ...(failure && { error: failure }) }
}

const outcomeOf = ({ error, skipped, figures }: Result): string => {
  if (error) return `failed: ${error}`
  if (skipped) return `skipped: ${skipped}`
  const missed = figures.filter((figure) => !isMet(figure))
  return [`${figures.length} figures, ${missed.length} missed`, ...missed.map(figureLine)].join('\n')
}

const { file, names, flags } = parse(process.argv.slice(2))
for (const [at, name] of names.entries()) {
  process.stdout.write(`${at + 1}/${names.length} ${name} … `)
  const result = await measure(name, flags)
  process.stdout.write(`${result.seconds} s, ${outcomeOf(result)}\n`)
  if (result.error) process.exitCode = 1
  const before = readResults(file)
  if (result.skipped && before.some(({ bench }) => bench === name)) continue
  const results = [...before.filter(({ bench }) => bench !== name), result]
  results.sort((one, other) => one.bench.localeCompare(other.bench))
  writeFileSync(`${file}.draft`, `${JSON.stringify({ results }, undefined, 1)}\n`)
  renameSync(`${file}.draft`, file)
}
