import { median, shown } from './numbers.ts'
import { type Figure, isMet, type Measurement } from './results.ts'

/** One value, or one for each round: the median counts, and the spread says how much it varies. */
type Measured = number | readonly number[]

/** What a benchmark has to say: tables while it goes, figures at the end; with `--json` one JSON object instead. */
export interface Report {
  note(text: string): void
  /** Rows of cells; numbers are shortened. The first row is the head. */
  table(title: string, rows: (string | number)[][]): void
  /** A figure with its limit. Its name is the same in each run of the benchmark: results are compared by it. */
  aim(name: string, measured: Measured, sense: Figure['sense'], limit: number, unit?: string): void
  /** A figure without a limit; less is better, or with `at least` more. */
  figure(name: string, measured: Measured, unit?: string, sense?: Figure['sense']): void
  finish(): void
  /** Says why the benchmark cannot run here, instead of figures. */
  skip(reason: string): void
}

const cell = (value: string | number): string => (typeof value === 'number' ? shown(value) : value)

/** A figure in one line, with whether its aim is met. */
export const figureLine = (figure: Figure): string => {
  const { name, measured, unit, sense, limit } = figure
  const found = `${name}: ${shown(measured)}${unit}`
  if (limit === undefined) return `          ${found}`
  return `  ${isMet(figure) ? 'met   ' : 'MISSED'}  ${found} (${sense} ${limit}${unit})`
}

export const makeReport = (bench: string, json = process.argv.includes('--json')): Report => {
  const measurement: Measurement = { bench, figures: [], tables: [] }
  const print = (text: string) => {
    if (!json) process.stdout.write(`${text}\n`)
  }
  const add = (name: string, measured: Measured, rest: Pick<Figure, 'sense' | 'unit' | 'limit'>) => {
    const rounds = typeof measured === 'number' ? [measured] : [...measured]
    measurement.figures.push({ name, ...rest, measured: median(rounds), rounds })
  }
  return {
    note: print,
    aim: (name, measured, sense, limit, unit = '') => add(name, measured, { sense, limit, unit }),
    figure: (name, measured, unit = '', sense = 'at most') => add(name, measured, { sense, unit }),
    table(title, rows) {
      measurement.tables.push({ title, rows })
      const cells = rows.map((row) => row.map(cell))
      const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
      print(`\n${title}`)
      for (const row of cells) {
        const padded = row.map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
        print(`  ${padded.join('  ')}`)
      }
    },
    finish() {
      if (json) process.stdout.write(`${JSON.stringify(measurement)}\n`)
      print('\nfigures')
      for (const figure of measurement.figures) print(figureLine(figure))
    },
    skip(reason) {
      if (json) process.stdout.write(`${JSON.stringify({ ...measurement, skipped: reason })}\n`)
      print(`skipped: ${reason}`)
    },
  }
}
