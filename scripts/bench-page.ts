import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { shown } from '../bench/lib/numbers.ts'
import { type Figure, isMet, type Result, readResults } from '../bench/lib/results.ts'
import { table } from './markdown.ts'

/**
 * From `<!-- figures: engine -->` to `<!-- end -->`: what is between them comes from the file of results. With `tables`
 * instead of `figures` it is what the benchmark prints.
 */
const place = /(<!-- (figures|tables): ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g

const aimOf = ({ limit, sense, unit }: Figure): string =>
  limit === undefined ? '–' : `${sense === 'at most' ? '≤' : '≥'} ${limit.toLocaleString('en-US')}${unit}`

/** The median, and how far the rounds are apart. */
const measuredOf = (figure: Figure): string => {
  const { measured, rounds, unit } = figure
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)].map(shown)
  const spread = rounds.length > 1 && least !== most ? ` (${least}–${most})` : ''
  return `${shown(measured)}${unit}${spread}${isMet(figure) ? '' : ', missed'}`
}

const circumstancesOf = ({ at, commit, cores, cpu, node, postgres, isQuick }: Result): string =>
  `Measured on ${at.slice(0, 10)} at ${commit}${isQuick ? ' with `--quick`' : ''}: ${cores} cores (${cpu.trim()}), Node ` +
  `${node}, PostgreSQL ${postgres.split('.').slice(0, 2).join('.')}. Brackets have the least and the most of the rounds.`

const figuresOf = (result: Result): string =>
  [
    table(
      ['figure', 'aim', 'measured'],
      result.figures.map((figure) => [figure.name, aimOf(figure), measuredOf(figure)]),
    ),
    circumstancesOf(result),
  ].join('\n\n')

const tablesOf = ({ tables }: Result): string =>
  tables
    .map(({ title, rows: [head = [], ...rows] }) => {
      const cells = rows.map((row) => row.map((one) => (typeof one === 'number' ? shown(one) : one)))
      return `${title}:\n\n${table(head.map(String), cells)}`
    })
    .join('\n\n')

/** The page of benchmarks with its tables from `bench/results.json`; the rest of the page stays as it is. */
export const benchPage = (root: string): string => {
  const results = readResults(join(root, 'bench/results.json'))
  return readFileSync(join(root, 'docs/benchmarks.md'), 'utf8').replace(place, (_, begin, kind, name, end) => {
    const result = results.find(({ bench, error }) => bench === name && !error)
    if (!result) throw new Error(`docs/benchmarks.md shows "${name}", which bench/results.json does not have`)
    return `${begin}\n${kind === 'tables' ? tablesOf(result) : figuresOf(result)}\n\n${end}`
  })
}
