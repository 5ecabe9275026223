import { useQuery } from '@tanstack/react-query'
import { Suspense, useState } from 'react'
import { parsedJson } from '../../../src/lib/json/json-object.ts'
import { lazyPart } from '../../data/server-away.ts'
import { bytesText } from '../../text/numbers.ts'
import { buttonClass } from '../../ui/button.tsx'
import { Icon } from '../../ui/icon.tsx'
import { JsonTree } from '../json-tree/json-tree.tsx'
import { TextView } from '../text-view/text-view.tsx'
import { withPlaces } from '../with-places.ts'
import { fileAddress, type NamedFile } from './media-kind.ts'
/** Rows of a text of comma-separated values (RFC 4180), at most `most`. A quote that never closes ends with the text. */
export const csvRows = (text: string, most = 1_000): string[][] => {
  const separator = separatorOf(text)
  const rows: string[][] = []
  let row: string[] = []
  let at = text.startsWith('\ufeff') ? 1 : 0
  while (at < text.length && rows.length < most) {
    const [value, end] = text[at] === '"' ? quoted(text, at, separator) : bare(text, at, separator)
    row.push(value)
    at = end
    if (text[at] === separator) {
      at++
      if (at === text.length) row.push('')
      else if (text[at] !== '\n' && text[at] !== '\r') continue
      else row.push('')
    }
    if (text[at] === '\r') at++
    if (text[at] === '\n') at++
    rows.push(row)
    row = []
  }
  return rows
}

const separatorOf = (text: string): string => {
  const line = text.slice(0, 4_096).split('\n', 1)[0]!
  const counted = [',', ';', '\t'].map((mark) => [mark, line.split(mark).length] as const)
  return counted.reduce((best, one) => (one[1] > best[1] ? one : best))[0]
}

const bare = (text: string, at: number, separator: string): [string, number] => {
  let end = at
  while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r') end++
  return [text.slice(at, end), end]
}

const quoted = (text: string, at: number, separator: string): [string, number] => {
  let value = ''
  let from = at + 1
  for (;;) {
    const close = text.indexOf('"', from)
    if (close < 0) return [value + text.slice(from), text.length]
    value += text.slice(from, close)
    if (text[close + 1] !== '"') {
      const [rest, end] = bare(text, close + 1, separator)
      return [value + rest, end]
    }
    value += '"'
    from = close + 2
  }
}

const Markdown = lazyPart(() => import('../text-view/markdown.tsx'))

/** The first bytes of a file are enough to look at it. */
const lookedAtBytes = 256 * 1024

const loadBeginning = async (path: string, signal: AbortSignal): Promise<{ text: string; isWhole: boolean }> => {
  const headers = { range: `bytes=0-${lookedAtBytes - 1}` }
  const response = await fetch(fileAddress(path, false), { headers, signal })
  if (response.status === 416) return { text: '', isWhole: true } // an empty file has no first byte
  if (!response.ok) throw new Error(`The server answered ${response.status} for this file`)
  const text = await response.text()
  const length = Number(response.headers.get('content-range')?.split('/')[1] ?? text.length)
  return { text, isWhole: length <= lookedAtBytes }
}

/** A stored file, shown in the page where its kind allows it. */
export const Media = ({ file }: { file: NamedFile }) => {
  const isTable = file.kind === 'csv' || file.kind === 'json' || file.kind === 'text' || file.kind === 'markdown'
  return (
    <figure className="min-w-0 shrink-0 overflow-hidden rounded-m border border-line">
      {file.kind === 'image' && <ImageBox file={file} />}
      {file.kind === 'audio' && (
        // biome-ignore lint/a11y/useMediaCaption: nobody made captions for what a run made
        <audio controls preload="metadata" src={fileAddress(file.path, true)} className="block w-full" />
      )}
      {file.kind === 'video' && (
        // biome-ignore lint/a11y/useMediaCaption: nobody made captions for what a run made
        <video
          controls
          preload="metadata"
          src={fileAddress(file.path, true)}
          className="block max-h-120 w-full bg-sunk"
        />
      )}
      {file.kind === 'pdf' && (
        <iframe src={fileAddress(file.path, true)} title={file.name} className="block h-120 w-full bg-sunk" />
      )}
      {isTable && <Beginning file={file} />}
      <figcaption className="flex items-center gap-2 border-line border-t py-0.5 pr-0.5 pl-3">
        <span className="min-w-0 flex-1 truncate" title={file.path}>
          {file.name}
        </span>
        <span className="shrink-0 text-12 text-muted">{file.size === undefined ? '' : bytesText(file.size)}</span>
        <a
          href={fileAddress(file.path, false)}
          download={file.name}
          title="Download"
          aria-label={`Download ${file.name}`}
          className={buttonClass('quiet', true)}
        >
          <Icon name="download" />
        </a>
      </figcaption>
    </figure>
  )
}

const ImageBox = ({ file }: { file: NamedFile }) => {
  const [isBroken, setBroken] = useState(false)
  if (isBroken) return <p className="p-3 text-muted">This image cannot be shown. It may have been deleted.</p>
  return (
    <a href={fileAddress(file.path, true)} target="_blank" rel="noreferrer" className="block bg-sunk">
      <img
        src={fileAddress(file.path, true)}
        alt={file.name}
        loading="lazy"
        onError={() => setBroken(true)}
        className="mx-auto max-h-90 max-w-full object-contain"
      />
    </a>
  )
}

const Beginning = ({ file }: { file: NamedFile }) => {
  const { data, error } = useQuery({
    queryKey: ['file', file.path],
    queryFn: ({ signal }) => loadBeginning(file.path, signal),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  })
  if (error) return <p className="p-3 text-muted">{error.message}</p>
  if (!data) return <p className="p-3 text-muted">Loading…</p>
  return (
    <div className="max-h-120 overflow-auto">
      <FileText kind={file.kind} name={file.name} text={data.text} isWhole={data.isWhole} />
      {!data.isWhole && (
        <p className="px-3 py-1 text-12 text-muted">
          These are the first {bytesText(lookedAtBytes)}. Download it for the rest.
        </p>
      )}
    </div>
  )
}

const FileText = ({
  kind,
  name,
  text,
  isWhole,
}: {
  kind: NamedFile['kind']
  name: string
  text: string
  isWhole: boolean
}) => {
  if (kind === 'csv') return <CsvTable text={text} isWhole={isWhole} />
  const json = kind === 'json' && isWhole ? parsedJson(text) : undefined
  if (json !== undefined) return <JsonTree value={json} path="" label={name} />
  if (kind === 'markdown') {
    return (
      <div className="p-3">
        <Suspense fallback={<p className="text-muted">Loading…</p>}>
          <Markdown text={text} />
        </Suspense>
      </div>
    )
  }
  return (
    <div className="p-3">
      <TextView text={text} />
    </div>
  )
}

const mostRows = 200

const isNumber = (cell: string): boolean => /^-?[\d.,]+$/.test(cell)

const CsvTable = ({ text, isWhole }: { text: string; isWhole: boolean }) => {
  const rows = csvRows(text, mostRows + 2)
  // The last row of a part may be half a row.
  const [head = [], ...body] = isWhole ? rows : rows.slice(0, -1)
  return (
    <table className="w-full border-collapse text-12">
      <thead>
        <tr className="sticky top-0 bg-sunk">
          {withPlaces(head).map(({ element: cell, place: at }) => (
            <th
              key={at}
              className={`whitespace-nowrap border-line border-b px-3 py-1 font-medium ${isNumber(body[0]?.[Number(at)] ?? '') ? 'text-right' : 'text-left'}`}
            >
              {cell}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {withPlaces(body.slice(0, mostRows)).map(({ element: row, place: at }) => (
          <tr key={at} className="border-line border-b last:border-0">
            {withPlaces(row).map(({ element: cell, place: column }) => (
              <td
                key={column}
                className={`max-w-60 truncate px-3 py-1 ${isNumber(cell) ? 'text-right' : ''}`}
                title={cell.length > 30 ? cell : undefined}
              >
                {cell}
              </td>
            ))}
          </tr>
        ))}
        {body.length > mostRows && (
          <tr>
            <td colSpan={head.length} className="px-3 py-1 text-muted">
              These are the first {mostRows} rows. Download it for the rest.
            </td>
          </tr>
        )}
      </tbody>
    </table>
  )
}
