"""A generated aerial scene with its true land cover: the default of the demo and the tests' small world.

The scene is farmland seen from above in red, green, blue and near infrared: fields of several crops, meadows, a village,
roads, trees, a river and a pond, under one sun. Colours overlap between classes on purpose (a grey roof and a road, a
ploughed field and a brown roof, young cereal and grass, a shadow and water), so that telling classes apart takes texture,
shape and surroundings, as it does in real imagery. Everything follows from the seed.
"""

from false_core.synthetic.classes import CLASSES
from false_core.synthetic.files import SceneFiles, write_large, write_scene
from false_core.synthetic.scene import BAND_NAMES, Scene, generate

__all__ = ["BAND_NAMES", "CLASSES", "Scene", "SceneFiles", "generate", "write_large", "write_scene"]
