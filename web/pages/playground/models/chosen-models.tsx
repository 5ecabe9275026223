import type { RoutableModelEntry } from '../../../../src/model/gateway/routable-model.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { mostModels } from '../search.ts'
import { modelFacts } from './model-list.ts'
import { ModelPicker } from './model-picker.tsx'

interface ChosenModelsProps {
  models: readonly string[]
  details: readonly RoutableModelEntry[] | undefined
  collection: string
  onChange: (models: string[]) => void
}

const names = ['Model', 'Second model'] as const

/** The models that answer; a second one answers the same beside the first. */
export const ChosenModels = ({ models, details, collection, onChange }: ChosenModelsProps) => {
  const [first] = models
  return (
    <div className="flex flex-col gap-2">
      {(first === undefined ? [undefined] : models).map((model, at) => {
        const known = details?.find(({ id }) => id === model)
        const name = names[at] ?? 'Model'
        return (
          <div key={name}>
            <p className="mb-1 font-medium text-12 text-muted">{name}</p>
            <div className="flex gap-1">
              <div className="min-w-0 flex-1">
                <ModelPicker
                  label={name}
                  model={model}
                  models={details}
                  collection={collection}
                  onPick={(picked) => onChange(models.length === 0 ? [picked] : models.with(at, picked))}
                />
              </div>
              {models.length > 1 && (
                <IconButton
                  icon="cross"
                  label={`Remove ${model}`}
                  onClick={() => onChange(models.filter((_, other) => other !== at))}
                />
              )}
            </div>
            {known && <p className="mt-1 text-12 text-muted">{modelFacts(known) || known.owned_by}</p>}
            {details && model !== undefined && !known && (
              <p className="mt-1 text-12 text-muted">
                Not among the models that the keys of {collection} are known to reach
              </p>
            )}
          </div>
        )
      })}
      {first !== undefined && models.length < mostModels && (
        <Button icon="plus" look="quiet" className="self-start" onClick={() => onChange([...models, first])}>
          Second model
        </Button>
      )}
    </div>
  )
}
