import { useQuery } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { prettyJson } from '../../../../src/lib/json/pretty-json.ts'
import { api, apiCall } from '../../../data/api.ts'
import { useTitle } from '../../../data/browser.ts'
import { useSessionState } from '../../../data/session.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { CopyButton, CopyLine } from '../../../ui/copy.tsx'
import { TextArea, TextField } from '../../../ui/field.tsx'
import { Tabs } from '../../../ui/tabs.tsx'
import { DocsFrame } from '../frame.tsx'
import {
  type ApiDocument,
  type ApiOperation,
  type ApiSchema,
  type FilledCall,
  operationsOf,
  resolvedSchema,
  type SnippetKind,
  sampleBody,
  snippetKinds,
  snippetOf,
  typeText,
} from './document.ts'

/** Characters of an answer that are shown. */
const mostShown = 100_000
/** A stream of events is read for so long. */
const eventsMs = 4_000

/** An answer as the page shows it. */
interface ShownAnswer {
  status: number
  type: string
  text: string
}

const cut = (text: string): string => (text.length > mostShown ? `${text.slice(0, mostShown)}\n… cut here` : text)

/** Reads the beginning of an answer, for so long at most, then leaves it. */
const readStart = async (response: Response, forMs?: number): Promise<string> => {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (!reader) return ''
  const timer = forMs === undefined ? undefined : setTimeout(() => void reader.cancel(), forMs)
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) break
    text += value
    if (text.length > mostShown) await reader.cancel()
  }
  clearTimeout(timer)
  return text
}

/** Says how large a file is without loading it. */
const sizeText = async (response: Response): Promise<string> => {
  await response.body?.cancel()
  const length = response.headers.get('content-length')
  return length === null ? 'Bytes, which are not shown' : `${length} bytes, which are not shown`
}

/** Reads an answer to be looked at: JSON indented, the beginning of texts, events for four seconds, the size of files. */
const readAnswer = async (response: Response): Promise<ShownAnswer> => {
  const type = response.headers.get('content-type') ?? ''
  const { status } = response
  if (type.startsWith('text/event-stream')) return { status, type, text: cut(await readStart(response, eventsMs)) }
  if (type.includes('json')) return { status, type, text: cut(prettyJson(await response.text())) }
  if (type === '' || type.startsWith('text/')) return { status, type, text: cut(await readStart(response)) }
  return { status, type, text: await sizeText(response) }
}

/** Makes a call with the session of this browser, or with a key that stays in this page. */
const send = async (call: FilledCall, key: string): Promise<ShownAnswer> => {
  const query = Object.fromEntries(Object.entries(call.query).filter(([, value]) => value !== ''))
  const answer = await apiCall(call.name, {
    params: call.params,
    query,
    ...(call.bodyText !== undefined && { body: JSON.parse(call.bodyText), bodyText: call.bodyText }),
    ...(key !== '' && { headers: { authorization: `Bearer ${key}` } }),
    asResponse: true,
  })
  return readAnswer(answer as Response)
}

/** Names of path parameters that are still empty. */
const missing = ({ path, params }: FilledCall): string[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '').filter((name) => !params[name])

/** Tries a call in place and shows its answer. */
const TryCall = ({ call }: { call: FilledCall }) => {
  const hasSession = useSessionState() === 'open'
  const [key, setKey] = useState('')
  const [isSending, setSending] = useState(false)
  const [answer, setAnswer] = useState<ShownAnswer>()
  const [error, setError] = useState<unknown>()
  const open = missing(call)
  const submit = async () => {
    setSending(true)
    setError(undefined)
    try {
      setAnswer(await send(call, hasSession ? '' : key))
    } catch (thrown) {
      setAnswer(undefined)
      setError(thrown)
    }
    setSending(false)
  }
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
    >
      {call.needsToken && !hasSession && (
        <TextField
          label="API key"
          type="password"
          autoComplete="new-password"
          hint="It stays in this page and is sent to this server only. Signed in, you need none."
          value={key}
          onChange={(event) => setKey(event.target.value)}
        />
      )}
      <div className="flex items-center gap-3">
        <Button type="submit" look={call.method === 'GET' ? 'main' : 'bad'} disabled={isSending || open.length > 0}>
          {call.method === 'GET' ? 'Try it' : `Send this ${call.method}`}
        </Button>
        {open.length > 0 && <span className="text-12 text-muted">Fill in {open.join(', ')} first.</span>}
        {call.method !== 'GET' && open.length === 0 && (
          <span className="text-12 text-muted">This is no rehearsal: it changes the server.</span>
        )}
      </div>
      <div aria-live="polite">
        {error !== undefined && <Problem error={error} />}
        {answer && (
          <>
            <p className="text-12 text-muted">
              {answer.status} {answer.type}
            </p>
            <pre
              // biome-ignore lint/a11y/noNoninteractiveTabindex: a long answer scrolls, also with the keyboard
              tabIndex={0}
              className="max-h-96 overflow-auto rounded-m border border-line bg-sunk p-2 font-mono text-12"
            >
              {answer.text}
            </pre>
          </>
        )}
      </div>
    </form>
  )
}

/** The named shape inside of a type, to look into: through lists and alternatives. */
const shapeIn = (schema: ApiSchema, document: ApiDocument): ApiSchema | undefined => {
  if (schema.$ref !== undefined || schema.allOf || schema.properties) {
    const found = resolvedSchema(schema, document)
    return found.properties ? found : undefined
  }
  const inner = schema.items ?? (schema.anyOf ?? schema.oneOf)?.find((one) => shapeIn(one, document))
  if (inner) return shapeIn(inner, document)
  return typeof schema.additionalProperties === 'object' ? shapeIn(schema.additionalProperties, document) : undefined
}

/** The members of a shape; shapes within open on demand. */
const SchemaFields = ({ schema, document }: { schema: ApiSchema; document: ApiDocument }) => {
  const { properties = {}, required = [] } = shapeIn(schema, document) ?? {}
  const fields = Object.entries(properties)
  if (fields.length === 0) return <p className="text-muted">{typeText(schema)}</p>
  return (
    <dl className="flex flex-col gap-1.5">
      {fields.map(([name, field]) => (
        <div key={name}>
          <dt className="inline">
            <code className="font-mono text-12">{name}</code>
            <span className="text-12 text-muted"> {typeText(field)}</span>
            {required.includes(name) && <span className="text-12 text-muted"> · required</span>}
          </dt>
          {field.description && <dd className="text-12 text-muted">{field.description}</dd>}
          {shapeIn(field, document) && (
            <dd>
              <Inner schema={field} document={document} />
            </dd>
          )}
        </div>
      ))}
    </dl>
  )
}

const Inner = ({ schema, document }: { schema: ApiSchema; document: ApiDocument }) => {
  const [isOpen, setOpen] = useState(false)
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="text-12 text-accent">Members</summary>
      <div className="border-line border-l py-1 pl-3">
        {isOpen && <SchemaFields schema={schema} document={document} />}
      </div>
    </details>
  )
}

/** A call as code, to the address by which this page was asked for. */
const Snippets = ({ call }: { call: FilledCall }) => {
  const [kind, setKind] = useState<SnippetKind>('curl')
  const text = snippetOf(kind, call, location.origin)
  return (
    <div>
      <Tabs
        label="Language"
        tabs={snippetKinds.map((name) => ({ name, text: name }))}
        current={kind}
        onSelect={setKind}
        className="border-line border-b"
      />
      <div role="tabpanel" aria-label={kind} className="relative">
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: long lines scroll, also with the keyboard
          tabIndex={0}
          className="overflow-x-auto bg-sunk p-3 pr-10 font-mono text-12"
        >
          {text}
        </pre>
        <div className="absolute top-1 right-1 bg-sunk">
          <CopyButton text={text} label={`Copy the call for ${kind}`} />
        </div>
      </div>
    </div>
  )
}

interface OperationProps {
  operation: ApiOperation
  document: ApiDocument
}

const Parameters = ({
  operation,
  call,
  onChange,
}: {
  operation: ApiOperation
  call: FilledCall
  onChange: (call: FilledCall) => void
}) => (
  <>
    {operation.parameters
      .filter((one) => one.in !== 'header')
      .map(({ name, in: place, required, description }) => {
        const part = place === 'path' ? 'params' : 'query'
        return (
          <TextField
            key={`${place} ${name}`}
            label={`${name} (${place}${required ? '' : ', optional'})`}
            {...(description && { hint: description })}
            isCode
            value={call[part][name] ?? ''}
            onChange={(event) => onChange({ ...call, [part]: { ...call[part], [name]: event.target.value } })}
          />
        )
      })}
  </>
)

/** An operation to fill in, to try, and to copy as code. */
const OperationForm = ({ operation, document }: OperationProps) => {
  const { name, method, path, needsToken, body, answer, errors } = operation
  const [call, setCall] = useState<FilledCall>(() => ({
    ...{ name, method, path, needsToken, params: {}, query: {} },
    bodyText: body && sampleBody(body, document),
  }))
  return (
    <div className="grid gap-6 border-line border-t p-4 lg:grid-cols-2">
      <div className="flex min-w-0 flex-col gap-3">
        <Parameters operation={operation} call={call} onChange={setCall} />
        {call.bodyText !== undefined && (
          <TextArea
            label="Body as JSON"
            rows={6}
            isCode
            value={call.bodyText}
            onChange={(event) => setCall({ ...call, bodyText: event.target.value })}
          />
        )}
        {body && (
          <Part title="Members of the body">
            <SchemaFields schema={body} document={document} />
          </Part>
        )}
        <Part title="Answer">
          {typeof answer === 'object' ? (
            <SchemaFields schema={answer} document={document} />
          ) : (
            <p className="text-muted">{answer ?? 'Nothing'}</p>
          )}
        </Part>
        <Part title="Errors">
          <ul className="text-12 text-muted">
            {errors.map(({ status, description }) => (
              <li key={status}>
                {status} {description}
              </li>
            ))}
          </ul>
        </Part>
      </div>
      <div className="flex min-w-0 flex-col gap-3">
        <Snippets call={call} />
        <TryCall call={call} />
      </div>
    </div>
  )
}

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <details>
    <summary className="font-medium text-12 text-muted">{title}</summary>
    <div className="pt-2">{children}</div>
  </details>
)

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
