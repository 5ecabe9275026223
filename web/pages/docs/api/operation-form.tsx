import { type ReactNode, useState } from 'react'
import { TextArea, TextField } from '../../../ui/field.tsx'
import { type ApiDocument, type ApiOperation, sampleBody } from './document.ts'
import { SchemaFields } from './schema-fields.tsx'
import { Snippets } from './snippet-tabs.tsx'
import type { FilledCall } from './snippets.ts'
import { TryCall } from './try-call.tsx'

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
export const OperationForm = ({ operation, document }: OperationProps) => {
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
