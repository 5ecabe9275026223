import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../data/api.ts'
import { keys } from '../../data/keys.ts'
import type { RunAddress } from '../../data/run.ts'
import { datasetHref, PageLink } from '../../parts/page-link.tsx'
import { errorText, Problem } from '../../parts/problem.tsx'
import { Button } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { SelectField, TextArea } from '../../ui/field.tsx'
import { showToast } from '../../ui/toast.tsx'

interface AddToDatasetProps {
  place: RunAddress
  onClose: () => void
}

/** Makes an item of a dataset of a run: its parameters, with its output or a correction as the expected result. */
export const AddToDataset = ({ place, onClose }: AddToDatasetProps) => {
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
  const add = useMutation({
    mutationFn: () =>
      api.addItemFromRun({
        params: { collection, dataset },
        body: { trajectory_id: id, task, ...(correction === '' ? {} : { correction: correctionOf(correction) }) },
      }),
    onSuccess: async ({ item, written }) => {
      await queries.invalidateQueries({ queryKey: keys.dataset(collection, dataset) })
      showToast({ text: written.added > 0 ? `Added ${item.id} to ${dataset}` : `${dataset} has ${item.id} already` })
      onClose()
    },
    onError: (error) => showToast({ text: errorText(error), isBad: true }),
  })
  const line = `jetty datasets add ${collection}/${dataset || 'questions'} ${collection}/${task}/${id}`
  return (
    <Dialog
      title="Add to a dataset"
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" disabled={dataset === '' || add.isPending} onClick={() => add.mutate()}>
            Add
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
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
          label="The right result, where the run was wrong"
          hint="Empty: the outputs of its last step. JSON stays JSON; anything else is a text."
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
      </div>
    </Dialog>
  )
}

const correctionOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
