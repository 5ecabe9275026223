import LineageView from '../../parts/lineage/lineage-view.tsx'
import type { DatasetProps } from './dataset-props.ts'

/** Which runs made the versions of a dataset, and what was run over it. */
const LineageTab = ({ collection, dataset: { name } }: DatasetProps) => (
  <LineageView collection={collection} of={{ dataset: name }} />
)

export default LineageTab
