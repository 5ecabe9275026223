import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { jsonOrText } from '../../../src/lib/json/json-object.ts'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import type { RunAddress } from '../../data/run.ts'
import { FormDialog } from '../../parts/form-dialog.tsx'
import { datasetHref, PageLink } from '../../parts/page-link.tsx'
import { Problem } from '../../parts/problem.tsx'
import { addToDatasetCommand, answerPath } from '../../parts/run-commands.ts'
import { CopyLine } from '../../ui/copy.tsx'
import { SelectField, TextArea } from '../../ui/field.tsx'
import { showToast } from '../../ui/toast.tsx'

interface AddToDatasetProps {
  place: RunAddress
  /** Takes this model call in the place of the run. */
  step?: string
  onClose: () => void
}

/**
 * Makes an item of a dataset of a run, or of a model call in it: its parameters, with its output or a correction as the
 * expected result.
 */
export const AddToDataset = ({ place, step, onClose }: AddToDatasetProps) => {
  const { collection, task, id } = place
  const queries = useQueryClient()
  const [chosen, choose] = useState<string>()
  const [correction, setCorrection] = useState('')
  const list = useQuery({
    queryKey: [...keys.datasets(collection), 'names'],
    queryFn: ({ signal }) => api.listDatasets({ params: { collection }, query: { limit: 1000 }, signal }),
  })
  const names = list.data?.map(({ name }) => name) ?? []
  const dataset = chosen ?? names[0] ?? ''
  const line = addToDatasetCommand(`${collection}/${dataset || 'questions'}`, `${collection}/${task}/${id}`, step)
  return (
    <FormDialog
      title="Add to a dataset"
      action="Add"
      isReady={dataset !== ''}
      work={() =>
        api.addItemFromRun({
          params: { collection, dataset },
          body: {
            ...{ trajectory_id: id, task },
            ...(step === undefined ? {} : { step, output_path: answerPath }),
            ...(correction === '' ? {} : { correction: jsonOrText(correction) }),
          },
        })
      }
      onDone={async ({ item, written }) => {
        await queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
        showToast({ text: written.added > 0 ? `Added ${item.id} to ${dataset}` : `${dataset} has ${item.id} already` })
      }}
      onClose={onClose}
    >
      {list.error && <Problem error={list.error} />}
      {list.data && names.length === 0 ? (
        <p>
          This collection has no dataset yet.{' '}
          <PageLink href={`/${encodeURIComponent(collection)}/-/datasets`} className="text-accent underline">
            Datasets
          </PageLink>
        </p>
      ) : (
        <SelectField
          label="Dataset"
          value={dataset}
          options={names.map((name) => [name, name] as const)}
          onChange={(event) => choose(event.target.value)}
        />
      )}
      <TextArea
        label={`The right result, where the ${step === undefined ? 'run' : 'answer'} was wrong`}
        hint={`Empty: ${step === undefined ? 'the outputs of its last step' : 'what the model answered'}. JSON stays JSON; anything else is a text.`}
        isCode
        value={correction}
        onChange={(event) => setCorrection(event.target.value)}
      />
      {dataset !== '' && (
        <PageLink href={datasetHref(collection, dataset)} className="self-start text-12 text-accent">
          Open {dataset}
        </PageLink>
      )}
      <CopyLine text={line} />
    </FormDialog>
  )
}
