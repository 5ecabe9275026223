import { shown } from './numbers.ts'

interface Aim {
  name: string
  measured: number
  limit: number
  sense: 'at most' | 'at least'
  unit: string
  met: boolean
}

/** What a benchmark has to say: tables while it goes, aims at the end; with `--json` one JSON object instead. */
export interface Report {
  note(text: string): void
  /** Rows of cells; numbers are shortened. The first row is the head. */
  table(title: string, rows: (string | number)[][]): void
  aim(name: string, measured: number, sense: Aim['sense'], limit: number, unit?: string): void
  /** A figure that is not in a table, for `--json`. */
  figure(name: string, value: number): void
  finish(): void
}

const cell = (value: string | number): string => (typeof value === 'number' ? shown(value) : value)

export const makeReport = (name: string, json = process.argv.includes('--json')): Report => {
  const aims: Aim[] = []
  const tables: { title: string; rows: (string | number)[][] }[] = []
  const figures: Record<string, number> = {}
  const print = (text: string) => {
    if (!json) process.stdout.write(`${text}\n`)
  }
  return {
    note: print,
    figure(key, value) {
      figures[key] = value
    },
    table(title, rows) {
      tables.push({ title, rows })
      const cells = rows.map((row) => row.map(cell))
      const widths = (cells[0] ?? []).map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
      print(`\n${title}`)
      for (const row of cells) {
        const padded = row.map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
        print(`  ${padded.join('  ')}`)
      }
    },
    aim(title, measured, sense, limit, unit = '') {
      const met = sense === 'at most' ? measured <= limit : measured >= limit
      aims.push({ name: title, measured, limit, sense, unit, met })
    },
    finish() {
      if (json) process.stdout.write(`${JSON.stringify({ bench: name, aims, figures, tables })}\n`)
      print('\naims')
      for (const { met, name: title, measured, sense, limit, unit } of aims) {
        print(`  ${met ? 'met   ' : 'MISSED'}  ${title}: ${shown(measured)}${unit} (${sense} ${limit}${unit})`)
      }
    },
  }
}
