"""Radiology sentences, and what a radiologist would put down: + stated, - denied, ? doubted, not mentioned."""

import pytest

from cxr_clip.data.labeller import label_sentence

SIGNS = {"positive": "+", "negative": "-", "uncertain": "?"}

STATED = """
The cardiac silhouette remains mildly enlarged. | Cardiomegaly+
Enlargement of the cardiac silhouette is stable. | Cardiomegaly+
The mediastinum is widened. | Enlarged Cardiomediastinum+
There is a retrocardiac consolidation with air bronchograms. | Lung Opacity+, Consolidation+
Complete opacification of the left hemithorax. | Lung Opacity+
Patchy infiltrate in the right lower lobe. | Lung Opacity+, Infiltration+
Findings are consistent with pulmonary edema. | Edema+
Likely right lower lobe pneumonia. | Pneumonia+
Bibasilar atelectasis, left greater than right. | Atelectasis+
Left lower lobe collapse and moderate effusion. | Atelectasis+, Pleural Effusion+
Right apical pneumothorax, unchanged. | Pneumothorax+
Hemopneumothorax on the right. | Pneumothorax+, Pleural Effusion+
Fluid is seen in the right pleural space. | Pleural Effusion+
Biapical pleural thickening. | Pleural Other+, Pleural Thickening+
Calcified pleural plaques are present bilaterally. | Pleural Other+
Old healed right rib fractures. | Fracture+
Age-indeterminate fracture of the left clavicle. | Fracture+
Spiculated 2 cm nodule in the right upper lobe. | Lung Lesion+, Nodule+
A 4 cm mass in the left hilum, suspicious for malignancy. | Lung Lesion+, Mass+
Severe bullous emphysema. | Emphysema+
Fibrotic changes in both upper lobes. | Fibrosis+
Moderate hiatal hernia. | Hernia+
Endotracheal tube terminates 4 cm above the carina. | Support Devices+
Left-sided pacemaker with leads in the right atrium and right ventricle. | Support Devices+
Median sternotomy wires are intact. | Support Devices+
Monitoring and support devices are in constant position. | Support Devices+
Right internal jugular line ends in the lower SVC. | Support Devices+
Pulmonary edema and effusions, both improved. | Edema+, Pleural Effusion+
Opacities most suggestive of pulmonary edema. | Lung Opacity+, Edema+
"""

DENIED = """
The heart is not enlarged. | Cardiomegaly-
The heart is no longer enlarged. | Cardiomegaly-
Heart size is normal. | Cardiomegaly-
The cardiomediastinal silhouette is within normal limits. | Cardiomegaly-, Enlarged Cardiomediastinum-
The cardiac, mediastinal and hilar contours are normal. | Cardiomegaly-, Enlarged Cardiomediastinum-
No widening of the mediastinum. | Enlarged Cardiomediastinum-
Lungs are clear. | Lung Opacity-, Consolidation-
The lungs are well expanded and clear. | Lung Opacity-, Consolidation-
No infiltrate. | Lung Opacity-, Infiltration-
No overt pulmonary edema. | Edema-
There is no evidence of pneumonia. | Pneumonia-
1. NO EVIDENCE OF PNEUMOTHORAX. | Pneumothorax-
No definite pneumothorax. | Pneumothorax-
Pneumothorax: none. | Pneumothorax-
Negative for pneumothorax or effusion. | Pneumothorax-, Pleural Effusion-
Neither pneumothorax nor effusion is seen. | Pneumothorax-, Pleural Effusion-
The right pneumothorax is no longer seen. | Pneumothorax-
No longer seen is the right pneumothorax. | Pneumothorax-
The previously seen left effusion has resolved. | Pleural Effusion-
Interval resolution of pulmonary edema. | Edema-
The costophrenic angles are sharp. | Pleural Effusion-
No larger pleural effusions. | Pleural Effusion-
No displaced rib fracture is identified. | Fracture-
No suspicious pulmonary nodules or masses. | Lung Lesion-, Nodule-, Mass-
No opacity suspicious for pneumonia. | Lung Opacity-, Pneumonia-
There are no findings to suggest pneumonia. | Pneumonia-
Unlikely to represent pneumonia. | Pneumonia-
Pneumonia is considered unlikely. | Pneumonia-
The chest tube has been removed. | Support Devices-
Interval removal of the right internal jugular catheter. | Support Devices-
The patient has been extubated. | Support Devices-
"""

DOUBTED = """
Opacity at the right base may represent atelectasis or pneumonia. | Lung Opacity+, Atelectasis?, Pneumonia?
Right lower lobe opacity, atelectasis versus pneumonia. | Lung Opacity+, Atelectasis?, Pneumonia?
Right base opacity, atelectasis vs. pneumonia. | Lung Opacity+, Atelectasis?, Pneumonia?
Atelectasis and/or pneumonia at the left base. | Atelectasis?, Pneumonia?
Left basilar opacity, pneumonia cannot be excluded. | Lung Opacity+, Pneumonia?
Pneumonia is not excluded. | Pneumonia?
Pneumothorax has not been excluded. | Pneumothorax?
Cannot rule out pneumonia. | Pneumonia?
A small pneumothorax cannot be entirely excluded. | Pneumothorax?
Possible small left effusion. | Pleural Effusion?
Small left effusion is possible. | Pleural Effusion?
Small effusion suspected. | Pleural Effusion?
Suspected small effusion on the left. | Pleural Effusion?
Questionable nodule in the left upper lobe. | Lung Lesion?, Nodule?
?pneumonia. | Pneumonia?
Findings worrisome for pneumonia. | Pneumonia?
Findings suggest mild interstitial edema. | Edema?
Pneumonia is less likely. | Pneumonia?
Pneumothorax, if any, is tiny. | Pneumothorax?
Tiny left apical pneumothorax versus skin fold. | Pneumothorax?
In the appropriate clinical setting, this could represent pneumonia. | Pneumonia?
The opacity may be due to pneumonia. | Lung Opacity+, Pneumonia?
Opacities, differential includes edema, hemorrhage and atypical infection. | Lung Opacity+, Edema?, Pneumonia?
Borderline cardiomegaly. | Cardiomegaly?
The heart is top-normal to mildly enlarged. | Cardiomegaly?
Cardiac silhouette is normal to mildly enlarged. | Cardiomegaly?
Heart size is top normal. | Cardiomegaly-
The heart is top-normal in size without edema. | Cardiomegaly-, Edema-
Heart size is at the upper limits of normal. | Cardiomegaly-
The heart is normal to the left of the scar. | Cardiomegaly-
The spleen is normal to mildly enlarged. |
Hilar nodes are normal to mildly enlarged, and the heart is normal. | Cardiomegaly-
The heart is mildly enlarged. | Cardiomegaly+
There is blunting of the right costophrenic angle. | Pleural Effusion?
Mild pulmonary vascular congestion. | Edema?
Compression deformity of T12. | Fracture?
Lungs are hyperinflated. | Emphysema?
Multiple calcified granulomas. | Lung Lesion?, Nodule?
"""

REACH = """
No pneumonia, pleural effusion, or pneumothorax. | Pneumonia-, Pleural Effusion-, Pneumothorax-
No effusion or pneumothorax, but mild edema persists. | Pleural Effusion-, Pneumothorax-, Edema+
No pneumothorax, small left pleural effusion. | Pneumothorax-, Pleural Effusion+
No pneumothorax and the left effusion is unchanged. | Pneumothorax-, Pleural Effusion+
No pleural effusions with stable cardiomegaly. | Pleural Effusion-, Cardiomegaly+
There is no pneumothorax; however, there is atelectasis. | Pneumothorax-, Atelectasis+
No acute process other than mild atelectasis. | Atelectasis+
Except for mild atelectasis, no consolidation. | Atelectasis+, Lung Opacity-, Consolidation-
Small effusions without pneumothorax or edema. | Pleural Effusion+, Pneumothorax-, Edema-
Cardiomegaly w/o edema. | Cardiomegaly+, Edema-
Cardiomegaly is accompanied by neither edema nor effusion. | Cardiomegaly+, Edema-, Pleural Effusion-
Minimal atelectasis at the left base, but no pneumonia. | Atelectasis+, Pneumonia-
The heart is enlarged, pleural effusion is not seen. | Cardiomegaly+, Pleural Effusion-
Pneumothorax, effusion and edema are absent. | Pneumothorax-, Pleural Effusion-, Edema-
Rib fracture or pneumothorax not seen. | Fracture-, Pneumothorax-
Effusions have resolved, but atelectasis persists. | Pleural Effusion-, Atelectasis+
No edema, and heart size is normal. | Edema-, Cardiomegaly-
PICC line ends in the mid SVC; no pneumothorax. | Support Devices+, Pneumothorax-
The chest tube was removed without development of pneumothorax. | Support Devices-, Pneumothorax-
Opacities reflect atelectasis, although infection cannot be excluded. | Lung Opacity+, Atelectasis+, Pneumonia?
Atelectasis is present; however, pneumonia cannot be ruled out. | Atelectasis+, Pneumonia?
Consolidation consistent with pneumonia or aspiration. | Lung Opacity+, Consolidation+, Pneumonia?
The left lung is clear, the right lung shows atelectasis. | Lung Opacity-, Consolidation-, Atelectasis+
The lungs are not clear, with bibasilar opacities. | Lung Opacity+
The lungs are not fully expanded, with basilar atelectasis. | Atelectasis+
The pneumothorax is not large. | Pneumothorax+
LINES/TUBES: No lines or tubes. | Support Devices-
Support devices: none. | Support Devices-
Lungs: The right lower lobe is consolidated. | Lung Opacity+, Consolidation+
Heart: Mildly enlarged. | Cardiomegaly+
HEART: Normal. | Cardiomegaly-
Heart and mediastinum: Heart size is severely enlarged. | Cardiomegaly+
Pleural effusion: small, left. | Pleural Effusion+
Pneumothorax: no change. | Pneumothorax+
The heart is obscured by a large effusion. | Pleural Effusion+
Status post median sternotomy, with small effusions. | Support Devices+, Pleural Effusion+
"""

NO_DENIAL = """
No change in cardiomegaly. | Cardiomegaly+
Cardiomegaly has not changed. | Cardiomegaly+
No significant interval change in the large left pleural effusion. | Pleural Effusion+
Right pleural effusion is not significantly changed. | Pleural Effusion+
No change in the effusion or the pneumothorax. | Pleural Effusion+, Pneumothorax+
Without change in the small right apical pneumothorax. | Pneumothorax+
No increase in the size of the pneumothorax. | Pneumothorax+
Near complete resolution of the left effusion. | Pleural Effusion+
Resolving right lower lobe pneumonia. | Pneumonia+
There is little change in the right pleural effusion. | Pleural Effusion+
The opacity is not seen on the lateral view. | Lung Opacity+
"""

NOT_MENTIONED = """
Evaluate for pneumothorax. |
History of pneumonia. |
Recommend CT to exclude an underlying mass. |
If there is clinical concern for pneumonia, repeat films are advised. |
Correlate clinically for pneumonia. |
Nondisplaced fractures may not be apparent on this study. |
Status post right lobectomy for carcinoma. |
Sequela of prior granulomatous infection. |
Subcutaneous emphysema in the left chest wall. |
No pericardial effusion. |
Cystic fibrosis with bronchiectasis. |
No mass effect. |
No acute cardiopulmonary process. |
Thoracic scoliosis. |
"""


def cases(table: str) -> list[tuple[str, str]]:
    rows = (line.split("|") for line in table.strip().splitlines())
    return [(sentence.strip(), ", ".join(sorted(labels.strip().split(", ")))) for sentence, labels in rows]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [case for table in (STATED, DENIED, DOUBTED, REACH, NO_DENIAL, NOT_MENTIONED) for case in cases(table)],
)
def test_a_sentence_says_what_a_radiologist_reads_in_it(sentence: str, expected: str) -> None:
    found = (f"{name}{SIGNS[certainty]}" for name, certainty in label_sentence(sentence))
    assert ", ".join(sorted(found)) == expected
