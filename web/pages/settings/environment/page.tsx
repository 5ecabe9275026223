import { useState } from 'react'
import { useMayWrite } from '../../../data/whoami.ts'
import { Confirm } from '../../../parts/confirm.tsx'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Empty } from '../../../ui/empty.tsx'
import { CommandLines } from '../command-lines.tsx'
import { SettingsHeading } from '../heading.tsx'
import type { CollectionPlace } from '../place.ts'
import { MissingVariables } from './missing.tsx'
import { PasteFile } from './paste-file.tsx'
import { SetVariable } from './set-variable.tsx'
import { VariableRow } from './variable-row.tsx'
import { useSetVariables, useVariables } from './variables-query.ts'

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
      {list.error && <Problem error={list.error} onRetry={() => void list.refetch()} />}
      <MissingVariables
        missing={list.data?.missing ?? []}
        onSet={mayWrite ? (name) => setOpen({ kind: 'set', name, isKnown: false }) : undefined}
      />
      {list.isSuccess && variables.length === 0 && (
        <Empty title="No variable is set" command={`jetty env set ${collection} OPENAI_API_KEY`}>
          Set the key of a model provider here, such as OPENAI_API_KEY or ANTHROPIC_API_KEY, and each step that calls
          its models finds it.
        </Empty>
      )}
      {variables.length > 0 && (
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
      )}
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
