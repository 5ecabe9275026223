import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { useTitle } from '../../../data/title.ts'
import { Problem } from '../../../parts/problem.tsx'
import { CopyLine } from '../../../ui/copy.tsx'
import { TextField } from '../../../ui/field.tsx'
import { DocsFrame } from '../frame.tsx'
import { type ApiDocument, type ApiOperation, operationsOf } from './document.ts'
import { OperationForm } from './operation-form.tsx'

const documentQuery = {
  queryKey: ['docs', 'openapi'],
  queryFn: async ({ signal }: { signal: AbortSignal }) => {
    const document = (await api.getOpenApi({ signal })) as unknown as ApiDocument
    return { document, operations: operationsOf(document) }
  },
  staleTime: Number.POSITIVE_INFINITY,
}

const isMatch = ({ name, path, summary, tag }: ApiOperation, words: string[]): boolean =>
  words.every((word) => `${name} ${path} ${summary} ${tag}`.toLowerCase().includes(word))

/** Every call of the server: what it takes, what it answers, as code, and to try. */
export const ApiPage = () => {
  const { data, error } = useQuery(documentQuery)
  const [filter, setFilter] = useState('')
  useTitle('API', 'Documentation')
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean)
  const shown = data?.operations.filter((operation) => isMatch(operation, words)) ?? []
  const tags = [...new Set(shown.map(({ tag }) => tag))]
  return (
    <DocsFrame current="api">
      <div className="flex max-w-300 flex-col gap-3">
        <h1 className="font-semibold text-20">API</h1>
        <p>
          The address of this server, and a first call. Every call can be tried here, and copied for curl, TypeScript
          and Python. The same as data:{' '}
          <a href="/openapi.json" className="text-accent underline">
            openapi.json
          </a>
          .
        </p>
        <CopyLine text={`curl -sS -H "Authorization: Bearer $JETTY_API_TOKEN" ${location.origin}/api/v1/collections`} />
        <TextField
          label="Find a call"
          type="search"
          value={filter}
          onChange={(event) => setFilter(event.target.value)}
        />
        {error && <Problem error={error} />}
        {data && shown.length === 0 && <p className="text-muted">No call has all of these words.</p>}
        {data &&
          tags.map((tag) => (
            <section key={tag} className="flex flex-col gap-1">
              <h2 className="mt-4 font-semibold text-15">{tag}</h2>
              {shown
                .filter((operation) => operation.tag === tag)
                .map((operation) => (
                  <Entry key={operation.name} operation={operation} document={data.document} />
                ))}
            </section>
          ))}
      </div>
    </DocsFrame>
  )
}

/** An operation in the list; its parts are drawn once it is open. */
const Entry = ({ operation, document }: { operation: ApiOperation; document: ApiDocument }) => {
  const [isOpen, setOpen] = useState(() => location.hash === `#${operation.name}`)
  return (
    <details
      id={operation.name}
      open={isOpen}
      onToggle={(event) => setOpen(event.currentTarget.open)}
      className="rounded-m border border-line"
    >
      <summary className="flex flex-wrap items-baseline gap-x-3 px-3 py-1.5 hover:bg-sunk">
        <code className="break-all font-mono text-12">
          <span className="inline-block w-14 font-semibold">{operation.method}</span>
          {operation.path}
        </code>
        <span className="text-12 text-muted">{operation.summary.replaceAll('`', '')}</span>
      </summary>
      {isOpen && <OperationForm operation={operation} document={document} />}
    </details>
  )
}
