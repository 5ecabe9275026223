import { Checkbox } from '../ui/field.tsx'

/** Whether models are called through the batch interfaces of their providers. */
export const EconomyBox = ({ isPatient, onChange }: { isPatient: boolean; onChange: (next: boolean) => void }) => (
  <Checkbox
    label="Wait for the batch interface of the model's provider: about half the price, within a day"
    checked={isPatient}
    onChange={(event) => onChange(event.target.checked)}
  />
)
