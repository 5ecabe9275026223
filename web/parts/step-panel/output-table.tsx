import { withPlaces } from '../with-places.ts'
import type { OutputTable } from './output-tables.ts'

const isNumber = (cell: string): boolean => /^-?\d[\d.]*$/.test(cell)
const longCell = 30

/** Rows of an output, which can be scrolled sideways. */
export const OutputTableView = ({ table: { name, columns, rows, left } }: { table: OutputTable }) => {
  const isNamed = columns.some((column) => column !== '')
  return (
    <section aria-label={name}>
      <h3 className="mb-1 font-medium text-12 text-muted">{name}</h3>
      <section
        aria-label={`Table of ${name}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so that the keyboard must reach it
        tabIndex={0}
        className="max-h-80 overflow-auto rounded-m border border-line"
      >
        <table className="w-full border-collapse text-12">
          {isNamed && (
            <thead>
              <tr className="sticky top-0 bg-sunk">
                {columns.map((column) => (
                  <th key={column} className="whitespace-nowrap border-line border-b px-3 py-1 text-left font-medium">
                    {column}
                  </th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {withPlaces(rows).map(({ element: row, place }) => (
              <tr key={place} className="border-line border-b last:border-0">
                {withPlaces(row).map(({ element: cell, place: column }) =>
                  !isNamed && column === 0 ? (
                    <th
                      key={column}
                      scope="row"
                      className="w-px whitespace-nowrap px-3 py-1 text-left font-mono font-normal"
                    >
                      {cell}
                    </th>
                  ) : (
                    <td
                      key={column}
                      className={
                        isNamed
                          ? `max-w-60 truncate px-3 py-1 ${isNumber(cell) ? 'tabular-nums' : ''}`
                          : 'break-words px-3 py-1'
                      }
                      title={isNamed && cell.length > longCell ? cell : undefined}
                    >
                      {cell}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {left > 0 && <p className="mt-1 text-12 text-muted">{left} more rows are in the tree below.</p>}
    </section>
  )
}
