import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import type { ShownVariables } from '../../../../src/model/collections/environment.ts'
import { api } from '../../../data/api.ts'
import { useNow } from '../../../data/clock.ts'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm, FormDialog } from '../../../parts/form-dialog.tsx'
import { ListFrame } from '../../../parts/list-frame.tsx'
import { PageLink } from '../../../parts/page-link.tsx'
import { agoText, momentText } from '../../../text/times.ts'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { Checkbox, TextArea, TextField } from '../../../ui/field.tsx'
import { Icon } from '../../../ui/icon.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { type CollectionPlace, CommandLines, SettingsHeading } from '../frame.tsx'

/** What a text of NAME=value lines sets, or the first line that is none. */
type EnvFile = { variables: Record<string, string> } | { line: number; reason: string }

const assignment = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*/
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', '\\': '\\' }

/** The value that begins at a place, and where the next line begins; undefined: a quote that never ends. */
const readValue = (text: string, at: number): { value: string; next: number } | undefined => {
  const quote = text[at]
  if (quote === '"' || quote === "'" || quote === '`') {
    let end = at + 1
    while (end < text.length && text[end] !== quote) end += quote === '"' && text[end] === '\\' ? 2 : 1
    if (end >= text.length) return undefined
    const inside = text.slice(at + 1, end)
    const value = quote === '"' ? inside.replace(/\\([nrt"\\])/g, (_, sign: string) => escapes[sign] ?? sign) : inside
    return { value, next: lineAfter(text, end) }
  }
  const next = lineAfter(text, at)
  const line = text.slice(at, next).replace(/(^|\s)#.*/, '')
  return { value: line.trim(), next }
}

const lineAfter = (text: string, at: number): number => {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end + 1
}

/** Reads the lines of a .env file: comments, `export`, quotes that may span lines. */
export const readEnvFile = (given: string): EnvFile => {
  const text = given.replaceAll('\r\n', '\n')
  const variables: Record<string, string> = Object.create(null)
  for (let at = 0; at < text.length; ) {
    const next = lineAfter(text, at)
    const line = text.slice(at, next)
    if (/^\s*(#|$)/.test(line)) {
      at = next
      continue
    }
    const number = text.slice(0, at).split('\n').length
    const found = assignment.exec(line)
    if (!found) return { line: number, reason: 'is not NAME=value' }
    const read = readValue(text, at + found[0].length)
    if (!read) return { line: number, reason: 'begins a quote that never ends' }
    variables[found[1] as string] = read.value
    at = read.next
  }
  return { variables: { ...variables } }
}

interface SetVariableProps {
  name: string
  /** It has a value already, which is replaced. */
  isKnown: boolean
  onSet: (variables: Record<string, string>) => Promise<void>
  onClose: () => void
}

/** Sets one variable. The value is hidden while it is typed, unless it has several lines. */
const SetVariable = ({ name: given, isKnown, onSet, onClose }: SetVariableProps) => {
  const [name, setName] = useState(given)
  const [value, setValue] = useState('')
  const [isLong, setLong] = useState(false)
  const field = {
    label: isKnown ? 'New value' : 'Value',
    value,
    onChange: (event: { target: { value: string } }) => setValue(event.target.value),
  }
  return (
    <FormDialog
      title={isKnown ? `Replace ${given}` : 'Set a variable'}
      action={isKnown ? 'Replace' : 'Set'}
      isReady={name.trim() !== '' && value !== ''}
      work={() => onSet({ [name.trim()]: value })}
      onDone={() => showToast({ text: `${name.trim()} is set. Runs that start from now on use it.` })}
      onClose={onClose}
      fields={[name.trim()]}
    >
      {({ [name.trim()]: error }) => {
        const isOfName = error?.includes('name') ?? false
        const ofValue = isOfName ? undefined : error
        return (
          <>
            {!isKnown && (
              <TextField
                label="Name"
                isCode
                hint="Letters, digits and underscores, such as OPENAI_API_KEY"
                value={name}
                error={isOfName ? error : undefined}
                onChange={(event) => setName(event.target.value)}
              />
            )}
            {isLong ? (
              <TextArea {...field} error={ofValue} isCode />
            ) : (
              <TextField {...field} error={ofValue} isCode type="password" autoComplete="new-password" />
            )}
            <Checkbox
              label="It has several lines"
              checked={isLong}
              onChange={(event) => setLong(event.target.checked)}
            />
          </>
        )
      }}
    </FormDialog>
  )
}

interface PasteFileProps {
  /** Names that are set already. */
  known: readonly string[]
  onSet: (variables: Record<string, string>) => Promise<void>
  onClose: () => void
}

/** Sets every variable of a .env file at once; those that it does not name stay. */
const PasteFile = ({ known, onSet, onClose }: PasteFileProps) => {
  const [text, setText] = useState('')
  const file = readEnvFile(text)
  const variables = 'variables' in file ? file.variables : {}
  const names = Object.keys(variables)
  const replaced = names.filter((name) => known.includes(name))
  const replaces = replaced.length > 0 ? `. It replaces ${replaced.join(', ')}` : ''
  return (
    <FormDialog
      title="Paste a .env file"
      width="wide"
      action={names.length === 1 ? 'Set 1 variable' : `Set ${names.length} variables`}
      isReady={names.length > 0}
      work={() => onSet(variables).then(() => names.length)}
      onDone={(set) => showToast({ text: set === 1 ? '1 variable is set' : `${set} variables are set` })}
      onClose={onClose}
    >
      <TextArea
        label="Lines of NAME=value"
        isCode
        rows={8}
        className="min-h-40"
        autoComplete="off"
        value={text}
        error={'line' in file ? `Line ${file.line} ${file.reason}` : undefined}
        hint={
          names.length === 0 ? 'Comments, export and quotes are understood' : `It sets ${names.join(', ')}${replaces}`
        }
        onChange={(event) => setText(event.target.value)}
      />
    </FormDialog>
  )
}

interface VariableRowProps {
  of: ShownVariables['variables'][number]
  collection: string
  mayWrite: boolean
  onReplace: () => void
  onDelete: () => void
}

const shownTasks = 3

/** One variable: its name, who set it, and the tasks that read it. */
const VariableRow = ({ of, collection, mayWrite, onReplace, onDelete }: VariableRowProps) => {
  const now = useNow()
  const { name, set_at: setAt, set_by: setBy, tasks } = of
  return (
    <li className="flex flex-wrap items-center gap-x-4 gap-y-1 py-2.5">
      <div className="min-w-60 flex-1">
        <p className="truncate font-mono text-12">{name}</p>
        <p className="text-12 text-muted" title={momentText(setAt)}>
          {setAt === null ? 'Set before the server noted by whom' : `Set ${agoText(setAt, now)} by ${setBy}`}
          {tasks.slice(0, shownTasks).map((task, index) => (
            <span key={task}>
              {index === 0 ? ' · read by ' : ', '}
              <PageLink
                href={`/${encodeURIComponent(collection)}/${encodeURIComponent(task)}?tab=definition`}
                className="text-accent underline"
              >
                {task}
              </PageLink>
            </span>
          ))}
          {tasks.length > shownTasks && ` and ${tasks.length - shownTasks} more`}
        </p>
      </div>
      <div className="flex gap-2">
        <Button disabled={!mayWrite} aria-label={`Replace ${name}`} onClick={onReplace}>
          Replace
        </Button>
        <Button look="quiet" icon="bin" disabled={!mayWrite} aria-label={`Delete ${name}`} onClick={onDelete}>
          Delete
        </Button>
      </div>
    </li>
  )
}

interface MissingProps {
  missing: ShownVariables['missing']
  onSet: ((name: string) => void) | undefined
}

/** Variables that tasks read and nobody has set, by name. */
const MissingVariables = ({ missing, onSet }: MissingProps) => {
  const names = [...new Set(missing.map(({ variable }) => variable))]
  if (names.length === 0) return null
  const tasksOf = (name: string) => missing.filter(({ variable }) => variable === name).map(({ task }) => task)
  return (
    <section aria-label="Variables that are missing" className="rounded-l border border-line p-3">
      <ul className="flex flex-col gap-2">
        {names.map((name) => (
          <li key={name} className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <Icon name="warning" className="text-wait" />
            <span className="font-mono text-12">{name}</span>
            <span className="min-w-40 flex-1 text-muted">
              is not set; {tasksOf(name).slice(0, 5).join(', ')} read it
            </span>
            <Button disabled={!onSet} onClick={() => onSet?.(name)}>
              Set {name}
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}

const variablesOf = (collection: string) => ['variables', collection] as const

/** The names of the variables of a collection; their values never leave the server. */
const useVariables = (collection: string) =>
  useQuery({
    queryKey: variablesOf(collection),
    queryFn: ({ signal }) => api.listVariables({ params: { collection }, signal }),
  })

/** Sets variables, or deletes those that are null. */
const useSetVariables = (collection: string) => {
  const queries = useQueryClient()
  return async (variables: Record<string, string | null>): Promise<void> => {
    await api.setEnvironment({ params: { collection }, body: { environment_variables: variables } })
    await queries.invalidateQueries({ queryKey: variablesOf(collection) })
  }
}

type Open = { kind: 'set'; name: string; isKnown: boolean } | { kind: 'paste' } | { kind: 'delete'; name: string }

/** The variables that tasks read as `env.NAME`. Values go to the server and never come back. */
const EnvironmentPage = ({ collection }: CollectionPlace) => {
  const mayWrite = useMayWrite()
  const list = useVariables(collection)
  const setVariables = useSetVariables(collection)
  const [open, setOpen] = useState<Open>()
  const close = () => setOpen(undefined)
  const variables = list.data?.variables ?? []
  return (
    <>
      <SettingsHeading
        title={`Environment of ${collection}`}
        actions={
          <>
            <Button disabled={!mayWrite} onClick={() => setOpen({ kind: 'paste' })}>
              Paste a .env file
            </Button>
            <Button
              icon="plus"
              look="main"
              disabled={!mayWrite}
              onClick={() => setOpen({ kind: 'set', name: '', isKnown: false })}
            >
              Set a variable
            </Button>
          </>
        }
      >
        Tasks read these values as <code className="font-mono text-12">env.NAME</code>. They are encrypted, and struck
        out of everything that a run records. No page and no key can read them again.
      </SettingsHeading>
      <MissingVariables
        missing={list.data?.missing ?? []}
        onSet={mayWrite ? (name) => setOpen({ kind: 'set', name, isKnown: false }) : undefined}
      />
      <ListFrame
        list={list}
        count={variables.length}
        empty={
          <Empty title="No variable is set" command={`jetty env set ${collection} OPENAI_API_KEY`}>
            Set the key of a model provider here, such as OPENAI_API_KEY or ANTHROPIC_API_KEY, and each step that calls
            its models finds it.
          </Empty>
        }
      >
        <ul aria-label="Variables" className="divide-y divide-line border-line border-y">
          {variables.map((variable) => (
            <VariableRow
              key={variable.name}
              of={variable}
              collection={collection}
              mayWrite={mayWrite}
              onReplace={() => setOpen({ kind: 'set', name: variable.name, isKnown: true })}
              onDelete={() => setOpen({ kind: 'delete', name: variable.name })}
            />
          ))}
        </ul>
      </ListFrame>
      <CommandLines
        lines={[
          `jetty env ls ${collection}`,
          `jetty env set ${collection} NAME`,
          `jetty env set ${collection} --dotenv < .env`,
        ]}
      />
      {open?.kind === 'set' && <SetVariable {...open} onSet={setVariables} onClose={close} />}
      {open?.kind === 'paste' && (
        <PasteFile known={variables.map(({ name }) => name)} onSet={setVariables} onClose={close} />
      )}
      {open?.kind === 'delete' && (
        <Confirm
          title={`Delete ${open.name}?`}
          action="Delete"
          work={() => setVariables({ [open.name]: null })}
          onClose={close}
          command={`jetty env rm ${collection} ${open.name}`}
        >
          <p>Runs that start later find it no more. Runs that have begun keep it until they end.</p>
        </Confirm>
      )}
    </>
  )
}

export default EnvironmentPage
